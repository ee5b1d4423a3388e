"""Small worlds, drawn by Hypothesis: a few accounts each, with the faults that real dimensions and sources have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.reference.actors import RAW_KEY, Actor, Rows, dawn, noon, on_record
from tests.reference.behaviours import BEHAVIOURS, Draw, Setting
from tests.reference.book import TIERS
from tests.reference.bucketed import BUCKETED
from tests.reference.divided import DIVIDED
from tests.reference.linked import group
from tests.reference.vocabulary import WORDS
from tests.rows import LONG_AGO

HIDDEN = (
    (), (), (), (), ("prompt_template_hash",), ("cot_elicit_score", "rubric_grade_score", "benchmark_score"),
    ("ip_country",), ("top_logprobs", "logit_bias_n"), ("session_id",), ("moderation_flagged",), ("model_served",),
    ("api_key_hash",), ("reasoning_visibility",), ("content_stored", "retention_days"), ("topic_id", "lang"),
    ("end_user_hash",), ("client_net_hash", "ip_asn"), ("n_choices",), ("prompt_simhash",), ("ip_type",),
    ("user_agent_family",), ("system_prompt_hash",), ("access_path",), ("logit_bias_n",), ("finish_reason",),
)  # fmt: skip


def reference_tables(rows: Rows, setting: Setting) -> None:
    """What all worlds of a warehouse have in common: models and territories, with overlapping intervals."""
    early, late = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 10, 8, 12, tzinfo=UTC)
    for name, family, released, retired in (
        ("m-1", "m", LONG_AGO, None), ("m-old", "m", LONG_AGO, late), ("m-next", "m", late, None),
        ("n-1", "n", LONG_AGO, None), ("f-1", "f", LONG_AGO, None), ("f-2", "f", setting.released, None),
    ):  # fmt: skip
        rows.add(
            "models", model=name, family=family, frontier=family == "f", released_at=released, retired_at=retired,
            predecessor="f-1" if name == "f-2" else None, context_window=200_000,
        )  # fmt: skip
    for country, status, start, end in (
        ("US", "supported", LONG_AGO, None), ("JP", "supported", LONG_AGO, None),
        ("XX", "unsupported", LONG_AGO, None), ("XX", "supported", early, late),
        ("YY", "supported", LONG_AGO, None), ("YY", "sanctioned", LONG_AGO, late),
        ("ZZ", "supported", LONG_AGO, None), ("ZZ", "unsupported", late, None),
    ):  # fmt: skip
        rows.add("territories", country=country, status=status, valid_from=start, valid_to=end)


def tier_rows(draw: Draw, tier: str, setting: Setting) -> list[tuple[str, datetime, datetime | None]]:
    """The tier since long ago, with a trial inside, a change in the period, a gap, or two that begin together."""
    middle = dawn(list(setting.period.days)[3]) + timedelta(hours=draw(st.sampled_from([0, 13])))
    other = draw(st.sampled_from(TIERS))
    return draw(
        st.sampled_from(
            [
                [(tier, LONG_AGO, None)],
                [(tier, LONG_AGO, None)],
                [(tier, LONG_AGO, None), (other, middle, middle + timedelta(days=2))],
                [(tier, LONG_AGO, middle), (other, middle, None)],
                [(tier, LONG_AGO, None), (other, LONG_AGO, None)],
                [(tier, LONG_AGO, middle)],
                [(tier, middle, None)],
                [],
            ]
        )
    )


def customer_columns(draw: Draw) -> dict[str, Any]:
    """What is on record about a customer: owners, identity, country."""
    return draw(
        st.sampled_from(
            [
                {}, {}, {},
                {"c_parent_country": "XX", "c_parent_ownership_pct": 51},
                {"c_parent_country": "XX", "c_parent_ownership_pct": 50},
                {"c_parent_country": "ZZ", "c_parent_ownership_pct": 24},
                {"c_parent_country": "YY", "c_parent_ownership_pct": None},
                {"c_parent_country": None},
                {"c_kyc_status": "pending", "c_kyc_verified_at": None},
                {"c_kyc_status": None, "c_kyc_verified_at": None}, {"c_country": None},
                {"c_kyc_verified_at": datetime(2025, 9, 1, tzinfo=UTC)},
            ]
        )
    )  # fmt: skip


@st.composite
def small_world(draw: Draw, name: str, setting: Setting) -> Rows:
    """One to three accounts that do things by themselves, and sometimes a linked group beside them."""
    rows = Rows()
    shared = draw(st.booleans())
    source = f"src-{name}"
    for number in range(draw(st.integers(1, 3))):
        tier = draw(st.sampled_from(TIERS))
        customer = f"c{name}" if shared else f"c{name}-{number}"
        actor = Actor(rows, f"a{name}-{number}", customer, tier, source, hidden=draw(st.sampled_from(HIDDEN)))
        actor.hidden_every = draw(st.sampled_from([1, 2, 5]))
        zero = draw(st.sampled_from([False, False, False, True, None]))
        closed = draw(st.sampled_from([None, None, None, datetime(2026, 7, 1, tzinfo=UTC)]))
        on_record(
            actor, tier_rows(draw, tier, setting), closed_at=closed, zero_retention=zero, **customer_columns(draw)
        )
        for behaviour in draw(
            st.lists(st.sampled_from([*BEHAVIOURS, *BUCKETED, *DIVIDED]), min_size=1, max_size=2, unique=True)
        ):
            behaviour(draw, actor, setting)
        if draw(st.sampled_from([False, False, False, True])):
            _second_customer(draw, actor)
        _contract(draw, rows, customer, setting)
        _screening(draw, rows, customer)
        _payments(draw, rows, actor, setting)
    if draw(st.booleans()):
        group(draw, rows, name, setting, draw(st.sampled_from(HIDDEN)))
    _faults(draw, rows, source, setting)
    _words(draw, rows)
    return rows


def _words(draw: Draw, rows: Rows) -> None:
    """One column's words spelt another way, or replaced by a word that the contract does not know."""
    if not draw(st.sampled_from([False, False, False, True])):
        return
    table, column = draw(st.sampled_from([(table, column) for table, columns in WORDS.items() for column in columns]))
    other = draw(st.sampled_from([str.upper, str.title, lambda word: f" {word} ", lambda _word: "something else"]))
    for row in rows.tables[table]:
        if row.get(column) is not None:
            row[column] = other(row[column])


def _second_customer(draw: Draw, actor: Actor) -> None:
    """The account is on record for another customer as well."""
    first = next(row for row in actor.rows.tables["customers"] if row["customer_id"] == actor.customer)
    account = next(row for row in actor.rows.tables["accounts"] if row["account_id"] == actor.account)
    name = f"{actor.customer}-other"
    if not any(row["customer_id"] == name for row in actor.rows.tables["customers"]):
        columns = {"c_" + key: value for key, value in first.items()} | customer_columns(draw)
        actor.rows.add("customers", **{k.removeprefix("c_"): v for k, v in columns.items()} | {"customer_id": name})
    actor.rows.add("accounts", **(account | {"customer_id": name}))


def _contract(draw: Draw, rows: Rows, customer: str, setting: Setting) -> None:
    if any(row["customer_id"] == customer for row in rows.tables["contracts"]):
        return
    kept = draw(st.sampled_from([None, 10]))
    middle = noon(list(setting.period.days)[3])
    held = draw(
        st.sampled_from(
            [[], [(kept, LONG_AGO, None)], [(kept, LONG_AGO, None), (30, middle, middle + timedelta(days=1))]]
        )
    )
    resale = draw(st.sampled_from([False, False, True, None]))
    commit = draw(st.sampled_from([None, 20, 50, 10_000]))
    for number, (days, start, end) in enumerate(held):
        rows.add(
            "contracts", contract_id=f"k{customer}-{number}", customer_id=customer, retention_days_max=days,
            resale_permitted=resale, commit_tokens=commit, valid_from=start, valid_to=end,
        )  # fmt: skip


def _screening(draw: Draw, rows: Rows, customer: str) -> None:
    """What screening said of the customer, and said again later."""
    if any(row["customer_id"] == customer for row in rows.tables["sanctions"]):
        return
    early, late = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 10, 7, tzinfo=UTC)
    said = draw(st.sampled_from([[], [], [], ["cleared"], ["candidate"], ["confirmed"], ["candidate", "cleared"]]))
    for status, at in zip(said, (early, late), strict=False):
        rows.add(
            "sanctions", list_name="list", entry_id=f"e-{customer}", customer_id=customer, match_status=status, as_of=at
        )


def _payments(draw: Draw, rows: Rows, actor: Actor, setting: Setting) -> None:
    charges, declines = draw(st.sampled_from([(0, 0), (1, 0), (4, 1), (4, 2), (3, 1)]))
    chargebacks = draw(st.sampled_from([0, 0, 0, 1]))
    at = draw(st.sampled_from([dawn(setting.period.first_day), dawn(setting.period.end_day) - timedelta(seconds=1)]))
    for kind, n in (("charge", charges), ("decline", declines), ("chargeback", chargebacks)):
        for _ in range(n):
            rows.add("payment_events", account_id=actor.account, event_ts=at, event_type=kind, amount_usd=10)
    card = draw(st.sampled_from(["US", "US", "US", None, "JP"]))
    rows.tables["account_payments"][-1]["bin_country"] = card


def _faults(draw: Draw, rows: Rows, source: str, setting: Setting) -> None:
    """A raw key that blocks a day, a row delivered twice, a negative count."""
    mine = [row for row in rows.tables["usage_events"] if row["source_system"] == source]
    fault = draw(st.sampled_from(["none", "none", "none", "blocked", "twice", "negative"]))
    if not mine or fault == "none":
        return
    row = mine[draw(st.integers(0, len(mine) - 1))]
    if fault == "blocked":
        row["user_agent_family"] = RAW_KEY
    elif fault == "twice":
        rows.tables["usage_events"].append(dict(row, ingested_ts=row["ingested_ts"] + timedelta(minutes=1)))
    else:
        row["output_tokens"] = -1


@st.composite
def warehouse_rows(draw: Draw, setting: Setting, worlds: int) -> dict[str, list[dict[str, Any]]]:
    """Several small worlds in one warehouse, with nothing in common but models and territories."""
    together = Rows()
    reference_tables(together, setting)
    for number in range(worlds):
        for table, many in draw(small_world(f"{number:02d}", setting)).tables.items():
            together.tables[table] += many
    return dict(together.tables)
