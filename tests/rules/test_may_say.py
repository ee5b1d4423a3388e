"""What an account manager may say tells a customer nothing of other customers, nor that accounts were linked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from audits.rules.engine.loading import load_rule, rule_folders

OTHERS = re.compile(
    r"(?i)\b(accounts look|several accounts|other accounts?|related|linked|elsewhere|who else|together use)\b"
)


@pytest.mark.parametrize("folder", rule_folders(), ids=lambda folder: folder.name[:3])
def test_what_may_be_said_speaks_of_the_customer_alone(folder: Path) -> None:
    spec = load_rule(folder).spec
    for said in (spec.may_say, *(kind.may_say or "" for kind in spec.kinds.values())):
        assert not OTHERS.search(said), said
