"""Fails unless constraints.txt pins every installed distribution at its version, and nothing else.

``--write`` makes the file from the environment at hand.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import distributions
from pathlib import Path

FILE = Path(__file__).parents[1] / "constraints.txt"
NOT_PINNED = {"pip", "setuptools", "wheel", "usage-audits"}


def installed() -> dict[str, str]:
    """Distribution -> version of this environment, by normalised name."""
    found = {re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower(): d.version for d in distributions()}
    return {name: version for name, version in sorted(found.items()) if name not in NOT_PINNED}


def pinned() -> dict[str, str]:
    """Distribution -> version of constraints.txt."""
    lines = [line.split("#")[0].strip() for line in FILE.read_text("utf-8").splitlines()]
    return dict(line.split("==") for line in lines if line)


def main() -> int:
    """Compare, or write."""
    now = installed()
    if "--write" in sys.argv:
        FILE.write_text("".join(f"{name}=={version}\n" for name, version in now.items()), "utf-8")
        return 0
    then = pinned()
    problems = [f"{name} {now[name]} is installed and not pinned" for name in now.keys() - then.keys()]
    problems += [f"{name}=={then[name]} is pinned and not installed" for name in then.keys() - now.keys()]
    problems += [
        f"{n} is pinned at {then[n]}, {now[n]} is installed" for n in now.keys() & then.keys() if now[n] != then[n]
    ]
    for problem in sorted(problems):
        print(problem)
    if problems:
        print("Write the file anew from a fresh environment: python tests/check_constraints.py --write")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
