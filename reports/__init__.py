"""Compliance reports: what a report says as data (`model`), how it looks (`formats`), where it goes (`delivery`)."""
