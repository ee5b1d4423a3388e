"""Hashes of the customers' own users and of system prompts, from their numbers."""

from __future__ import annotations

import numpy as np

from audits.proving.world.traffic import Events, splitmix


def number_users(events: Events, seed: int) -> Events:
    """Add ``user_hash`` (one user of one account or group) and ``system_hash`` to a block."""
    salt = splitmix(np.array([seed], np.int64))[0]
    owner = splitmix(events["users_of"].astype(np.uint64) ^ salt)
    return events | {
        "user_hash": splitmix(owner ^ events["user"].astype(np.uint64)),
        "system_hash": splitmix(events["system"].astype(np.uint64) ^ splitmix(np.array([salt]))[0]),
    }
