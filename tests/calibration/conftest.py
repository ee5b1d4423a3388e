"""The same world as back-tests have: its volume is known to the request."""

from tests.backtest.conftest import environment, world

__all__ = ["environment", "world"]
