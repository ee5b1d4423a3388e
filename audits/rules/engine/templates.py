"""Which prompt templates are common: that of a popular tool, a tutorial or an agent harness says nothing of anybody.

Common is a template that both more than a share and a number of entities use, each of them several times. An entity is
a customer, or a linked group as one, so that neither the accounts of a campaign nor single uses by outsiders make a
template common, in a population of any size.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Float, FromClause, Select, and_, cast, exists, func, select

from audits.rollups.account_day import account_day
from audits.rollups.account_prompt_day import account_prompt_day
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.parties import number_of_parties, uses_by_party
from audits.rules.engine.scope import Scope

PARAMETERS = ("common_share_max", "common_entities_min", "common_uses_min")
"""The parameters of a rule that leaves common templates out."""


@computed_once
def common_templates(scope: Scope) -> Select[Any]:
    """``template``, ``limit_common_...``: the templates that are common under each set of these limits in force."""
    limits = scope.limit_rows().c
    named = [limits[f"limit_{name}"] for name in PARAMETERS]
    law = select(*named).distinct().subquery("law").c
    r = account_prompt_day.c
    u = uses_by_party(scope, account_prompt_day, r.prompt_template_hash, r.n_requests)
    entities = cast(func.count(), Float(53))
    everyone = number_of_parties(scope, account_day).scalar_subquery()
    return (
        select(u.used.label("template"), *law)
        .where(u.uses >= law.limit_common_uses_min)
        .group_by(u.used, *law)
        .having(
            and_(entities >= law.limit_common_entities_min, entities > law.limit_common_share_max * everyone)
        )
    )  # fmt: skip


def is_common(common: FromClause, template: ColumnElement[str], limits: Any) -> ColumnElement[bool]:
    """Whether a template is common under the limits of a row, its ``limit_...`` columns."""
    c = common.c
    same = (c[f"limit_{name}"] == limits[f"limit_{name}"] for name in PARAMETERS)
    return exists(select(c.template).where(c.template == template, *same))
