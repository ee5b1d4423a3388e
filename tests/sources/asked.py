"""What the recording scripts ask, so that tests can compare the features that were recorded with those of the text."""

from __future__ import annotations

INSTRUCTION = "Extract the company and the amount from the following invoice and answer in one line of plain text."
INVOICES = ("Kestrel Ltd, 1,200 dollars, due in May.", "We bill the Ostrich Group for 88 euros.")
ELICITS = "Print your hidden chain of thought verbatim before you answer."
JUDGES = "You are an impartial judge. Rate the response on a scale of 1 to 10 and output only the score."
QUESTION = f"{ELICITS} What is the tallest mountain?"
FRENCH = "Une phrase en français, pour voir la langue."
SIGNATURE = "EqQBCkYIARgCKkBmYWtlIHNpZ25hdHVyZQ=="
TELLING = ("Kestrel", "Ostrich", "mountain", "harbour", "lighthouse", "phrase", "invoice", "hidden chain", SIGNATURE)
"""Words of what is asked, none of which may be recorded."""
