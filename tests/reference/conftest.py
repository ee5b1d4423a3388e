"""The policy book of these tests, made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from audits.policy import Book, load_book
from tests.reference.book import low_book


@dataclass(frozen=True)
class LowBook:
    """The book as a folder, for the product, and as it is read, for the reference."""

    folder: Path
    book: Book


@pytest.fixture(scope="session")
def low(tmp_path_factory: pytest.TempPathFactory) -> LowBook:
    folder = low_book(tmp_path_factory.mktemp("policy") / "low")
    return LowBook(folder, load_book(folder))
