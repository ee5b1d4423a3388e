import pytest


@pytest.fixture(params=["duckdb", "postgresql"])
def url(request) -> str:
    """An empty warehouse of either kind."""
    return request.getfixturevalue("duckdb_warehouse" if request.param == "duckdb" else "postgres_url")
