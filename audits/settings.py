"""The one place for settings: environment variables named AUDITS_*, read once at the edge and passed inward.

Nothing below the command line, the DAGs and the web reads the environment; a stage gets what it needs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audits.errors import AuditsError, unknown

DEFAULT_OUT = "audits-out"


def hashing_salt(env: Mapping[str, str] | None = None) -> str | None:
    """AUDITS_SALT: the secret under which addresses and end users become digests.

    Kept out of :class:`Settings`, so that nothing that prints or records settings can hold it.
    """
    return (os.environ if env is None else env).get("AUDITS_SALT") or None


def topics_file(env: Mapping[str, str] | None = None) -> str | None:
    """AUDITS_TOPICS: the operator's list of topics, for the features of prompts."""
    return (os.environ if env is None else env).get("AUDITS_TOPICS") or None


def geo_folder(env: Mapping[str, str] | None = None) -> str | None:
    """AUDITS_GEO: the folder with MaxMind's databases, for addresses that a source brings in clear."""
    return (os.environ if env is None else env).get("AUDITS_GEO") or None


SETTINGS = (
    "AUDITS_WAREHOUSE_URL", "AUDITS_LEDGER_URL", "AUDITS_ROLLUPS_URL", "AUDITS_OUT", "AUDITS_POLICY", "AUDITS_SALT",
    "AUDITS_TOPICS", "AUDITS_GEO",
)  # fmt: skip
"""Every variable that the service reads."""


def require_known(env: Mapping[str, str] | None = None) -> None:
    """Refuse a variable that begins with AUDITS_ and is not a setting: a mistyped one would be ignored."""
    for name in sorted(os.environ if env is None else env):
        if name.startswith("AUDITS_") and name not in SETTINGS:
            raise unknown("setting", name, SETTINGS, where="environment")


def require_folder(path: Path, where: str) -> None:
    """Refuse a path at which no folder can be: it, or a part of it, is a file. ``where`` is what names it."""
    there = next((one for one in (path, *path.absolute().parents) if one.exists()), path)
    if there.exists() and not there.is_dir():
        raise AuditsError(
            f"{there} is a file, where the folder of the reports is to be.",
            where=f"{where}: {path}",
            fix="Name a folder; one that does not exist is made.",
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the service finds its warehouse, ledger and policy book, and where reports go."""

    warehouse_url: str
    ledger_url: str
    out: Path
    policy: Path | None = None  # None: the book that is shipped with the package
    rollups_url: str | None = None  # None: beside the DuckDB file, or in the PostgreSQL warehouse itself

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read AUDITS_WAREHOUSE_URL, AUDITS_LEDGER_URL, AUDITS_ROLLUPS_URL, AUDITS_POLICY and AUDITS_OUT.

        A ledger that is not named lies as ``ledger.sqlite`` in AUDITS_OUT, so that one folder holds one history. A
        warehouse that is not named is asked for where one is opened: what reads the ledger alone needs none.
        """
        env = os.environ if env is None else env
        require_known(env)
        out = Path(env.get("AUDITS_OUT") or DEFAULT_OUT)
        require_folder(out, "setting AUDITS_OUT")
        policy = env.get("AUDITS_POLICY")
        return cls(
            warehouse_url=env.get("AUDITS_WAREHOUSE_URL", ""),
            ledger_url=env.get("AUDITS_LEDGER_URL") or f"sqlite:///{(out / 'ledger.sqlite').absolute()}",
            out=out,
            policy=Path(policy) if policy else None,
            rollups_url=env.get("AUDITS_ROLLUPS_URL") or None,
        )
