"""Great Expectations judges the figures: one suite, one batch, one validation for all the days asked about.

The library is imported when there is something to judge and not before; it takes seconds. It works on the figures in
memory alone, in an ephemeral context: it reads and writes no file, and reaches for no network.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from audits.policy import QualityLimit
from audits.policy.names import QUALITY_CHECKS
from audits.quality.row_checks import Limits
from audits.quality.usual import Day

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext

NOT_JUDGED = frozenset({"over_context_factor", "hour_rows_min", "late_hours", "future_minutes", "loss_odds"})
"""Limits that say when a row counts and fail nothing by themselves."""

SUITE = "usage-quality"
SEVERITIES = {"block": "critical", "degrade": "warning", "warn": "info"}
Figures = Mapping[Day, Mapping[str, float]]
"""Day and source -> check -> figure; one that could not be formed is left out."""

_NAMESPACE = uuid.UUID("6f1d1c2e-6f0e-5f3c-9d0c-5a1d3b1a7c11")


def failing(figures: Figures, limits: Limits) -> dict[Day, list[str]]:
    """The checks that each day and source fails under these limits, in the limits' order."""
    result = validate(new_context(), figures, limits)
    failed: dict[Day, list[str]] = {one: [] for one in figures}
    for held in result.results:
        config: Any = held.expectation_config
        if "unexpected_index_list" not in held.result:
            raise RuntimeError(f"the limit {config.meta['check']} could not be evaluated: {held.exception_info}")
        for row in held.result["unexpected_index_list"]:
            failed[date.fromisoformat(row["day"]), row["source_system"]].append(config.meta["check"])
    return failed


def by_limits(days: Iterable[Day], limits_on: Callable[[date], Limits]) -> list[tuple[Limits, list[Day]]]:
    """The days, together with those that have the same limits."""
    groups: dict[str, tuple[Limits, list[Day]]] = {}
    for one in days:
        limits = limits_on(one[0])
        groups.setdefault(repr(sorted(limits.items())), (limits, []))[1].append(one)
    return list(groups.values())


def new_context() -> EphemeralDataContext:
    """A context that lives in memory and tells nobody."""
    import great_expectations as gx  # noqa: PLC0415 - seconds
    from great_expectations.data_context.types.base import (  # noqa: PLC0415
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    return gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            progress_bars=ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        ),
    )


def validate(
    context: EphemeralDataContext,
    figures: Figures,
    limits: Limits,
    run: tuple[str, datetime] | None = None,
) -> ExpectationSuiteValidationResult:
    """Hold every figure against its limit. ``run`` is the name and time that pages on it bear."""
    import great_expectations as gx  # noqa: PLC0415
    from great_expectations.core.run_identifier import RunIdentifier  # noqa: PLC0415

    source = context.data_sources.add_pandas("figures")
    batch = source.add_dataframe_asset("days-and-sources").add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(expectations(limits))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=SUITE, data=batch, suite=suite))
    return definition.run(
        batch_parameters={"dataframe": as_frame(figures, limits)},
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["day", "source_system"]},
        run_id=RunIdentifier(run_name=run[0], run_time=run[1]) if run else None,
    )


def expectations(limits: Limits) -> Any:
    """The suite: one expectation a limit, with its severity and the rules that a failure leaves not evaluated."""
    import great_expectations as gx  # noqa: PLC0415

    return gx.ExpectationSuite(
        name=SUITE,
        id=str(uuid.uuid5(_NAMESPACE, SUITE)),
        expectations=[
            {
                "id": str(uuid.uuid5(_NAMESPACE, check)),
                "type": "expect_column_values_to_be_between",
                "kwargs": {"column": check, "max_value": limit.limit},
                "severity": SEVERITIES[limit.severity],
                "notes": _notes(check, limit),
                "meta": {"check": check, "severity": limit.severity, "not_evaluated": list(limit.not_evaluated)},
            }
            for check, limit in _judged(limits).items()
        ],
    )


def _notes(check: str, limit: QualityLimit) -> str:
    left_open = "rules that are not evaluated and do not read it" if limit.set_aside else "rules that are not evaluated"
    puts_in_doubt = f"; {left_open}: {', '.join(limit.not_evaluated)}" if limit.not_evaluated else ""
    return f"{QUALITY_CHECKS[check]} ({limit.severity}{puts_in_doubt})"


def as_frame(figures: Figures, limits: Limits) -> pd.DataFrame:
    """The figures as the batch: a row a day and source, a column a limit; what cannot be formed is NaN."""
    import pandas as pd  # noqa: PLC0415

    rows = [
        {"day": day.isoformat(), "source_system": source} | {check: of.get(check) for check in _judged(limits)}
        for (day, source), of in figures.items()
    ]
    frame = pd.DataFrame(rows)
    checks = list(_judged(limits))
    return frame.astype(dict.fromkeys(checks, "float64"))


def _judged(limits: Limits) -> Limits:
    return {check: limit for check, limit in limits.items() if check not in NOT_JUDGED}
