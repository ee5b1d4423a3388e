from __future__ import annotations

import json
import re
from datetime import date
from importlib import import_module

from audits.cli.console import SafeConsole
from audits.proving.evaluation import as_json, evaluate
from audits.proving.evaluation.page import page
from audits.proving.world import WorldSpec
from audits.proving.worlds import WORLDS, NamedWorld, named
from tests.proving.evaluation.made import accounts, audited, breach, campaign, group, one, party, truth

cli = import_module("audits.cli.evaluate")  # the package's attribute of this name is the command

WORLD = NamedWorld("w", "evaluation", "a <b>world</b> by hand", WorldSpec(start=date(2026, 8, 18)))


def measured():
    t = truth(campaign(), campaign("d", share=0.25), breaches=(breach(),), parties=(party(),), benign=20_000)
    a = audited(group(accounts("c", 10)), one("w/x0"), one("w/u0", "high", "R07"), found_on={"w/c": 3},
                groups=dict.fromkeys(accounts("c", 10), "w/g"))  # fmt: skip
    return evaluate([WORLD], [(t, a)], ["R01", "R04", "R07"], period="2026-10", policy="sha256:" + "0" * 64)


def test_promised_figures_say_whether_they_hold():
    said = {t.name: (t.holds, t.shown) for t in measured().targets}
    assert said["critical: harmless accounts hit"] == (True, False)  # none of 20,006 does not prove one in 10,000
    assert said["high: harmless accounts hit"] == (True, True)
    assert said["found as a group: unmixed, 10,000 a day and more"] == (True, False)
    assert said["found as a group: a quarter extraction, 10,000 a day and more"] == (False, False)
    assert said["found as a group: a tenth extraction, 10,000 a day and more"] == (None, False)
    assert said["kinds of look-alike above medium"] == (False, False)
    assert said["pairwise F1 of groups"][0] is False  # the second campaign was not grouped


def test_json_is_plain_complete_and_the_same_again():
    text = json.dumps(as_json(measured()), sort_keys=True)
    assert text == json.dumps(as_json(measured()), sort_keys=True)
    data = json.loads(text)
    assert [c["found"] for c in data["campaigns"]] == ["high", None]
    assert {t["holds"] for t in data["targets"]} == {True, False, None}
    assert data["rules"][1]["campaigns"]["of"] == 2


def test_the_page_stands_alone_and_escapes():
    html = page(measured())
    assert html == page(measured())
    assert "&lt;b&gt;world" in html
    assert "<script" not in html
    assert not re.search(r'(?:src|href)="(?!#|data:)', html)
    assert html.count("<svg") == 4


def test_the_page_says_when_a_world_was_for_tuning():
    assert "worlds that limits were tuned on" not in page(measured())
    world = NamedWorld("w", "tuning", "x", WORLD.spec)
    tuned = evaluate([world], [(truth(campaign()), audited())], [], period="2026-10", policy="sha256:0")
    assert "worlds that limits were tuned on" in page(tuned)


def test_evaluation_worlds_share_no_seed_or_strength_with_those_for_tuning():
    tuning = [w.spec for w in WORLDS.values() if w.purpose == "tuning"]
    others = [w.spec for w in WORLDS.values() if w.purpose == "evaluation"]
    assert {s.seed for s in tuning}.isdisjoint(s.seed for s in others)
    assert {(s.customers, s.volume, s.variation) for s in tuning}.isdisjoint(
        (s.customers, s.volume, s.variation) for s in others
    )
    planted = {(c.kind, c.accounts, c.per_day) for s in tuning for c in s.campaigns}
    assert planted.isdisjoint((c.kind, c.accounts, c.per_day) for s in others for c in s.campaigns)


def test_another_seed_is_another_world_of_the_same_name():
    assert [w.spec.seed for w in named(["small", "small"], 7)] == [7]
    assert [w.purpose for w in named([])] == ["evaluation"] * len(named([]))


def test_the_terminal_s_tables_fit_eighty_columns(capsys, monkeypatch):
    monkeypatch.setattr(cli, "out", SafeConsole(width=80, highlight=False))
    cli._print(measured())
    said = capsys.readouterr().out
    assert "…" not in said
    words = set(said.split())
    assert {"campaigns", "precision", "accounts", "university-class", "extraction"} <= words
    assert max(map(len, said.splitlines())) <= 80
