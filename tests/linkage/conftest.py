"""The two engines that linkage must give the same groups on."""

import pytest


@pytest.fixture(params=["duckdb", "postgresql"])
def url(request) -> str:
    """The URL of an empty warehouse of either kind."""
    return request.getfixturevalue("duckdb_warehouse" if request.param == "duckdb" else "postgres_url")
