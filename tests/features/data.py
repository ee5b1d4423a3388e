"""Prompts to measure on: those written for this project, and public ones beside the repository where they are there."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML


def labelled() -> dict[str, dict[str, dict[str, list[str]]]]:
    """Score -> seen or unseen -> yes or no -> prompts."""
    with Path(__file__).with_name("labelled.yaml").open(encoding="utf-8") as file:
        read: dict[str, dict[str, dict[str, list[str]]]] = YAML(typ="safe", pure=True).load(file)
    return read


def shared(folder: str) -> Path:
    """A folder of the shared data; the test that asks for it is skipped where there is none."""
    found = next((above / "shared" / "data" / folder for above in Path(__file__).parents[3:5]
                  if (above / "shared" / "data" / folder).is_dir()), None)  # fmt: skip
    if found is None:
        pytest.skip(f"there is no folder shared/data/{folder} beside this repository")
    return found


def public_prompts() -> dict[str, list[str]]:
    """The public prompts by set."""
    folder = shared("prompts")

    def rows(name: str) -> list[Any]:
        return [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]

    with (folder / "awesome_prompts_2025-12-16.csv").open(encoding="utf-8", newline="") as file:
        awesome = [row["prompt"] for row in csv.DictReader(file)]
    tasks = rows("selfinstruct_user_oriented_instructions.jsonl")
    return {
        "humaneval": [row["prompt"] for row in rows("humaneval.jsonl")],
        "mtbench": [row["turns"][0] for row in rows("mtbench_question.jsonl")],
        "vicuna": [row["turns"][0] for row in rows("vicuna_bench_question.jsonl")],
        "awesome": awesome,
        "selfinstruct": ["\n\n".join(filter(None, (t["instruction"], t["instances"][0]["input"]))) for t in tasks],
        "instructions": list(dict.fromkeys(t["instruction"] for t in tasks)),
    }
