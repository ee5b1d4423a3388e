"""``python -m audits.proving.world OUT.duckdb [SEED]``: the demo's world, with another seed if one is given."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from audits.proving.world import DEMO, build_world


def show(stage: str, share: float) -> None:
    """One line on standard error that is written over."""
    sys.stderr.write(f"\r{share:4.0%} {stage:<12}")


if len(sys.argv) < 2:
    sys.exit("usage: python -m audits.proving.world OUT.duckdb [SEED]")
spec = replace(DEMO, seed=int(sys.argv[2])) if len(sys.argv) > 2 else DEMO
summary = build_world(spec, Path(sys.argv[1]), show)
sys.stdout.write(f"\n{summary.path} {summary.tables} {summary.accounts}\n")
