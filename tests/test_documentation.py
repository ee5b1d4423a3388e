"""What the documentation names is there: files, what is defined in them, commands and their options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer

from audits.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
TOPS = ("audits/", "reports/", "tests/", "dags/", "docs/", ".ci/")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
SHELL = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
FENCED = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
DEFINED = r"(?m)^\s*(?:(?:async )?def|class) {name}\b|^{name}\b.*="


def words_of(page: Path) -> list[str]:
    """Everything that a page writes as code, line by line of its shell blocks and span by span elsewhere."""
    text = page.read_text("utf-8")
    lines = [line for block in SHELL.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    return [*lines, *(" ".join(span.split()) for span in CODE.findall(FENCED.sub("", text)))]


def missing_paths(page: Path) -> Iterator[str]:
    for link in LINK.findall(page.read_text("utf-8")):
        if "://" not in link and not (page.parent / link).exists():
            yield link
    for word in (word for words in words_of(page) for word in words.split()):
        path, _, name = word.partition(":")
        if not path.startswith(TOPS) or "NAME" in path:
            continue
        if not (ROOT / path).exists():
            yield path
        elif name and not re.search(DEFINED.format(name=re.escape(name)), (ROOT / path).read_text("utf-8")):
            yield word


def commands_of(page: Path) -> Iterator[list[str]]:
    """Every command in the page's code, as its words; several on a line are told apart."""
    for words in words_of(page):
        for command in re.split(r"&&|;|\|", words):
            try:
                parts = shlex.split(command, comments=True)
            except ValueError:  # an apostrophe of prose
                continue
            parts = [part.removeprefix(".venv/bin/") for part in parts]
            while parts and re.fullmatch(r"[A-Z_]+=\S*|\.", parts[0]):
                parts = parts[1:]
            if parts:
                yield parts


def trouble(words: list[str]) -> str | None:
    """What the command line would not know of a command that begins with ``audits``."""
    command: Any = typer.main.get_command(app)
    options = {"-h", "--help", "--version"}
    for word in words[1:]:
        if hasattr(command, "commands"):
            if word.startswith("-") and word in options:
                continue
            if word not in command.commands:
                return f"{' '.join(words)}: there is no command {word}"
            command = command.commands[word]
        elif word.startswith("-") and word not in options.union(*(param.opts for param in command.params)):
            return f"{' '.join(words)}: there is no option {word}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    assert list(missing_paths(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    commands = list(commands_of(page))
    assert [found for words in commands if words[0] == "audits" and (found := trouble(words))] == []
    made = {word for words in commands if words[0] == "make" for word in words[1:]}
    assert made - set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"))) == set()
    modules = [words[2] for words in commands if words[0].startswith("python") and words[1:2] == ["-m"]]
    assert [name for name in modules if find_spec(name) is None] == []


def test_every_decision_is_listed_under_its_title() -> None:
    folder = ROOT / "docs" / "decisions"
    titles = {page.name: page.read_text("utf-8").partition("\n")[0][2:] for page in folder.glob("0*.md")}
    listed = re.findall(r"(?m)^- \[(.+)\]\((.+)\)$", (folder / "index.md").read_text("utf-8"))
    assert listed == [(title, name) for name, title in sorted(titles.items())]


def test_the_checks_see_what_is_wrong(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "See [this](gone.md), `audits/gone.py`, `audits/pipeline.py:gone` and `audits/pipeline.py:audit`.\n\n"
        "Run `audits gone`, `audits run --gone 1`.\n\n```sh\nexport A=1 && audits rules gone   # a comment\n```\n"
    )
    assert list(missing_paths(page)) == ["gone.md", "audits/gone.py", "audits/pipeline.py:gone"]
    troubles = [trouble(words) for words in commands_of(page) if words[0] == "audits"]
    assert [one.rpartition(" ")[2] for one in troubles if one] == ["gone", "gone", "--gone"]
