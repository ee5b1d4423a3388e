"""Formats: each a function of the model, none reads the ledger."""
