"""Features on their way from the gateway to the load, so that what a client planted there is not taken for them.

Clients may send metadata of their own to a gateway, and it ends in the same place. So the features carry a seal that
only who has the salt can make.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any

from audits.features.hashing import Hasher

KEY = "usage_audits"
"""Under which a gateway's log has them."""


def sealed(columns: Mapping[str, str | int | float], hasher: Hasher) -> dict[str, Any]:
    """Features by column, as they are put under :data:`KEY`."""
    return {"features": dict(columns), "seal": hasher.passage("seal", _written(columns))}


def opened(value: Any, hasher: Hasher) -> dict[str, Any]:
    """The features of a sealed value, or of its JSON; none where the seal is not of this salt or cannot be tried."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    if not hasher.salted or not isinstance(value, Mapping) or not isinstance(value.get("features"), Mapping):
        return {}
    columns, seal = dict(value["features"]), value.get("seal")
    if not isinstance(seal, str) or not seal.isascii():
        return {}
    return columns if hmac.compare_digest(seal, hasher.passage("seal", _written(columns))) else {}


def _written(columns: Mapping[str, Any]) -> str:
    """One text for equal columns on either side of a database, which may give 1.0 back as 1."""
    written = {
        name: f"{value:.4f}" if name.endswith("_score") and isinstance(value, int | float) else value
        for name, value in columns.items()
    }
    return json.dumps(written, sort_keys=True, separators=(",", ":"))
