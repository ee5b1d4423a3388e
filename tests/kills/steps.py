"""Work in a process of its own that is killed at its n-th step: a SQL statement, a commit, a file opened or renamed.

The steps are seen from outside: by SQLAlchemy's events and the interpreter's audit hook. The product knows nothing.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, event

_FILE_EVENTS = {"os.rename", "os.remove", "os.mkdir"}


def count_steps(work: Callable[[], None], folder: Path) -> int:
    """Run the work to its end in a process of its own and return how many steps it took."""
    read, write = os.pipe()
    with _forked() as child:
        if child:
            steps = [0]

            def step(_what: str) -> None:
                steps[0] += 1

            _watch(step, folder)
            work()
            os.write(write, str(steps[0]).encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        return int(pipe.read())


def kill_at(number: int, work: Callable[[], None], folder: Path) -> None:
    """Run the work in a process of its own that is killed before its step ``number``, counted from 1."""
    with _forked() as child:
        if child:
            steps = [0]

            def step(_what: str) -> None:
                steps[0] += 1
                if steps[0] == number:
                    os.kill(os.getpid(), signal.SIGKILL)

            _watch(step, folder)
            work()
            os._exit(0)


def spread(steps: int, wanted: int) -> list[int]:
    """At most so many of the steps 1 to ``steps``, evenly spread, the first and the last among them."""
    if steps <= wanted:
        return list(range(1, steps + 1))
    return sorted({1 + round(place * (steps - 1) / (wanted - 1)) for place in range(wanted)})


@contextmanager
def _forked() -> Iterator[bool]:
    """True in the child, which never leaves the block; False in the parent, which waits for it at the block's end."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            yield True
        except BaseException:  # noqa: BLE001 the parent must see that the child failed
            import traceback  # noqa: PLC0415

            traceback.print_exc()
        os._exit(3)
    yield False
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the work failed by itself"


def _watch(step: Callable[[str], None], folder: Path) -> None:
    below = str(folder)

    def hook(name: str, arguments: tuple[object, ...]) -> None:
        if name == "open":
            path, mode = arguments[0], arguments[1]
            if isinstance(path, str) and path.startswith(below) and isinstance(mode, str) and set(mode) & set("wax+"):
                step(f"open {path}")
        elif name in _FILE_EVENTS and str(arguments[0]).startswith(below):
            step(f"{name} {arguments[0]}")

    sys.addaudithook(hook)
    event.listen(Engine, "before_cursor_execute", lambda _c, _cursor, statement, *_more: step(statement))
    event.listen(Engine, "commit", lambda _connection: step("COMMIT"))
