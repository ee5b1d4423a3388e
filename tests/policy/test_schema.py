"""The schema for editors agrees with the check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from audits.policy import SHIPPED, json_schema
from tests.policy.books import HERE

FILES = sorted(path for folder in (SHIPPED, HERE / "small_book") for path in folder.rglob("*.yaml"))
MISSHAPEN = {
    "unknown_key/book.yaml", "unknown_key/limits/R05.yaml", "missing_key/limits/R05.yaml",
    "missing_key/exceptions.yaml", "missing_key/quality.yaml", "wrong_type/book.yaml", "wrong_type/tiers.yaml",
    "wrong_type/limits/R05.yaml", "wrong_type/clauses/open.yaml", "wrong_sign/book.yaml", "wrong_sign/limits/R05.yaml",
    "unknown_names/book.yaml", "unknown_names/limits/R05.yaml", "unknown_names/clauses/open.yaml",
    "unknown_names/exceptions.yaml", "value_and_tiers/limits/R05.yaml",
}  # fmt: skip


def plain(file: Path) -> Any:
    """A file as an editor sees it: days are text."""
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(file.read_text("utf-8")), default=str))


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_valid_files_fit(file: Path) -> None:
    Draft202012Validator(json_schema()).validate(plain(file))


@pytest.mark.parametrize("name", sorted(MISSHAPEN))
def test_misshapen_files_do_not(name: str) -> None:
    assert not Draft202012Validator(json_schema()).is_valid(plain(HERE / "golden" / name))


def test_the_published_schema_is_up_to_date() -> None:
    published = json.loads((SHIPPED / "policy-book.schema.json").read_text("utf-8"))
    assert published == json_schema(), (
        "write it anew: audits policy schema > audits/policy/book/policy-book.schema.json"
    )
