"""Labelled worlds to prove the audit on, and what it scores there."""
