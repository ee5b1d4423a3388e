"""Audits the use of an AI-model API against its terms, period by period.

The stages, in the order in which data passes them: warehouse, sources, quality, rollups, linkage, rules, ledger,
standing, and the package ``reports``. :mod:`audits.pipeline` puts them together.
"""
