"""The policy book of these tests: the shipped one with limits so low that few rows reach them."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from audits.policy import SHIPPED

TIERS = ("free", "build", "scale", "enterprise")


def _per_tier(*values: float) -> dict[str, float]:
    return dict(zip(TIERS[-len(values) :], values, strict=True))


LOW: dict[str, dict[str, Any]] = {
    "R01": {"requests_a_day": _per_tier(6, 9, 12, 15), "output_tokens_a_week": _per_tier(2000, 3000, 4000, 5000)},
    "R02": {"requests_min": _per_tier(5, 6, 7, 8), "baseline_days_min": 14},
    "R03": {"volume_quantile": 0.8, "shape_quantile": 0.7, "peers_min": 10},
    "R04": {"requests_a_day": _per_tier(12, 16, 20, 24)},
    "R05": {
        "requests_min": _per_tier(5, 6, 7, 8), "group_uses_min": 12, "common_entities_min": 4, "common_uses_min": 3,
    },
    "R06": {"prompts_min": 8, "topic_uses_min": 2},
    "R07": {"requests_min": _per_tier(4, 5, 6, 7), "group_requests_min": 10, "replays_min": 4},
    "R08": {"requests_a_week": _per_tier(5, 5, 6, 7)},
    "R09": {"requests_min": _per_tier(5, 6, 7)},
    "R10": {"requests_a_minute": _per_tier(2, 3, 4, 5), "minutes_min": 3, "handovers_min": 4},
    "R11": {"requests_min": _per_tier(144, 150, 160, 170)},
    "R12": {"hours_min": 24, "requests_min": 24},
    "R14": {"requests_min": _per_tier(2, 2, 3, 3)},
    "R17": {
        "networks_min": _per_tier(3, 4, 5, 6), "asns_min": _per_tier(2, 2, 3, 3), "agents_min": _per_tier(2, 2, 3, 3),
    },
    "R18": {
        "sessions_a_day_min": _per_tier(4, 4, 6, 6), "system_prompts_min": 4, "languages_min": 3,
        "topic_entropy_quantile": 0.6,
    },
    "R19": {"quota_requests_a_day": 4},
    "R20": {"requests_min": _per_tier(3, 3, 1, 1)},
    "R21": {"substituted_requests_min": 3},
    "R22": {"requests_min": 10, "variants_min": 6, "flagged_share_min": _per_tier(0.2, 0.15, 0.15, 0.1)},
    "R24": {"invalid_keys_a_day": 5, "failures_a_day": 12, "failures_before_success": 6},
    "R27": {"quota_requests_a_day": _per_tier(6, 9, 12, 15)},
    "R28": {"prompts_min": 8, "items_min": 12, "common_entities_min": 4, "common_uses_min": 3},
}  # fmt: skip
"""Rule -> limit -> its value; limits that are not named stay as they are shipped."""

CHANGE = {"R01": {"requests_a_day": _per_tier(8, 10, 13, 16)}}
"""Rule -> limit -> its value from a day inside the audited period on."""

CHANGE_DAY = date(2026, 10, 8)


def low_book(folder: Path, change_day: date = CHANGE_DAY) -> Path:
    """Write the book into a folder: no finding is explained away, combined with others or held back by the breaker."""
    shutil.copytree(SHIPPED, folder)
    yaml = YAML()
    for rule, values in LOW.items():
        file = folder / "limits" / f"{rule}.yaml"
        content = yaml.load(file)
        entries = {entry["limit"]: entry for entry in content["limits"]}
        for name, value in values.items():
            kind = "tiers" if isinstance(value, dict) else "value"
            entries[name].pop("tiers", None)
            entries[name].pop("value", None)
            entries[name].insert(1, kind, value)
        for name, value in CHANGE.get(rule, {}).items():
            later = dict(entries[name]) | {"tiers": value, "effective_from": change_day}
            entries[name]["effective_to"] = change_day
            content["limits"].append(later)
        yaml.dump(content, file)
    file = folder / "book.yaml"
    content = yaml.load(file)
    content["settings"][0] |= {"breaker_findings_min": 100_000}
    content.pop("open_links", None)
    content.pop("combination", None)
    yaml.dump(content, file)
    return folder
