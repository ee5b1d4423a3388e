"""The README's way from own data to a report, command by command as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = README.split("## Your own data to a report")[1].split("\n## ")[0]
COMMANDS = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)[0].strip().splitlines()
CRM = "customer,company,country,customer_since,account,opened,plan\n" + "".join(
    f"c{n},Company {n},DE,2026-01-01,a{n},2026-02-01,{plan}\n"
    for n, plan in enumerate(("Free", "Pay as you go", "Growth", "Corporate"))
)
USAGE = "request_id,started,account,prompt_tokens,completion_tokens,model,outcome\n" + "".join(
    f"r{day}-{n},{day:02}/10/2026 09:{n:02}:00,a{n % 4},100,20,m-1,{'error' if n == 7 else 'success'}\n"
    for day in range(1, 32)
    for n in range(24)
)


def run(command: str, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    main = "from audits.cli import main; main()"
    words = command.split()
    assert words[0] == "audits"
    return subprocess.run(
        [sys.executable, "-c", main, *words[1:]], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def prepared(folder: Path) -> dict[str, str]:
    for block in re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL):
        (folder / block.splitlines()[0].removeprefix("# ")).write_text(block)
    (folder / "usage.csv").write_text(USAGE)
    (folder / "crm.csv").write_text(CRM)
    name, _, value = COMMANDS[0].removeprefix("export ").partition("=")
    kept = {key: held for key, held in os.environ.items() if not key.startswith("AUDITS_")}
    return {**kept, name: value, "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "200"}


def test_own_data_comes_to_a_report_in_five_commands(tmp_path: Path) -> None:
    env = prepared(tmp_path)
    assert len(COMMANDS) == 5
    *loads, doctor, audit = (run(command, tmp_path, env) for command in COMMANDS[1:])
    for done in loads:
        assert (done.returncode, "Next   audits" in done.stdout) == (0, True), done.stdout + done.stderr
    assert doctor.returncode == 0, doctor.stdout
    assert "policy book has no tier" not in doctor.stdout
    assert audit.returncode in {0, 1}, audit.stderr  # partial where the data's quality says so
    assert list(tmp_path.glob("audits-out/2026-10/r1/*/report.html"))


def test_doctor_names_tiers_that_the_book_lacks_and_what_to_do(tmp_path: Path) -> None:
    env = prepared(tmp_path)
    tiers = tmp_path / "tiers.yaml"
    tiers.write_text(re.sub(r"\{column: plan.*\}\}", "plan", tiers.read_text()))
    for command in COMMANDS[1:3]:
        run(command, tmp_path, env)
    doctor = run(COMMANDS[3], tmp_path, env)
    assert "'Growth' (1 accounts)" in doctor.stdout
    assert "audits source load file" in doctor.stdout
