"""Reference pages and schemas are what the code declares, and the schemas agree with the checks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from audits.errors import AuditsError
from audits.rules.cases import read_cases
from audits.rules.engine.loading import CATALOGUE, read_spec, rule_folders
from audits.rules.schema import cases_schema, rule_schema
from audits.rules.skeleton import new_rule
from audits.sources.file_mapping import read_mapping
from audits.sources.mapping_schema import mapping_schema
from docs.generate import FILES

ROOT = Path(__file__).parents[1]
BLOCKS = [
    block
    for block in re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    if "system:" in block
]
SCHEMAS = {"rule.yaml": rule_schema, "cases.yaml": cases_schema}
READERS = {"rule.yaml": read_spec, "cases.yaml": read_cases}


def plain(text: str) -> Any:
    """YAML as an editor sees it: days are text."""
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(text), default=str))


@pytest.mark.parametrize("name", FILES)
def test_generated_file_is_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text("utf-8") == FILES[name](), "write it again: make generated"


@pytest.mark.parametrize("name", SCHEMAS)
def test_shipped_rules_fit_their_schemas(name: str) -> None:
    schema = SCHEMAS[name]()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for folder in rule_folders():
        validator.validate(plain((folder / name).read_text("utf-8")))


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("rule.yaml", "severity: medium", "severity: grave"),
        ("rule.yaml", "version: ", "version: -"),
        ("rule.yaml", "grain: bucket", "grains: bucket"),
        ("rule.yaml", "title:", "titel:"),
        ("cases.yaml", "kind: hit", "kind: hits"),
        ("cases.yaml", "usage_events:", "usage_event:"),
        ("cases.yaml", "account_id:", "acount_id:"),
        ("cases.yaml", "cases:", "case:"),
    ],
)
def test_what_the_check_of_a_rule_refuses_does_not_fit(name: str, before: str, after: str, tmp_path: Path) -> None:
    text = (CATALOGUE / "r01_extraction_volume" / name).read_text("utf-8")
    assert before in text
    (tmp_path / name).write_text(text.replace(before, after))
    with pytest.raises(AuditsError):
        READERS[name](tmp_path / name)
    assert not Draft202012Validator(SCHEMAS[name]()).is_valid(plain(text.replace(before, after)))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_mappings_of_the_readme_fit(block: str) -> None:
    Draft202012Validator.check_schema(mapping_schema())
    Draft202012Validator(mapping_schema()).validate(plain(block))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("system: gateway", "systems: gateway"),
        ("system: gateway", "system: gateway\ntable: usages"),
        ("system: gateway", "system: gateway\ndecimal: ';'"),
        ("event_id:", "event:"),
        ("  model_requested: model\n", ""),
        ("{value: chat}", "{values: chat}"),
        ("{value: chat}", "{value: chat, column: operation}"),
        ("input_tokens: prompt_tokens", "input_tokens: {column: prompt_tokens, factor: 0}"),
    ],
)
def test_what_the_check_of_a_mapping_refuses_does_not_fit(before: str, after: str, tmp_path: Path) -> None:
    assert before in BLOCKS[0]
    text = BLOCKS[0].replace(before, after)
    (tmp_path / "mapping.yaml").write_text(text)
    with pytest.raises(AuditsError):
        read_mapping(tmp_path / "mapping.yaml")
    assert not Draft202012Validator(mapping_schema()).is_valid(plain(text))


def test_new_rule_names_schemas_that_lie_beside_it(tmp_path: Path) -> None:
    spec, _, cases = new_rule("weekend use", tmp_path / "rules", [], ["free"])
    for file in (spec, cases):
        named = re.search(r"\$schema=(\S+)", file.read_text("utf-8"))
        assert named
        schema = json.loads((file.parent / named[1]).read_text("utf-8"))
        Draft202012Validator(schema).validate(plain(file.read_text("utf-8")))
