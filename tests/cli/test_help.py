"""Every command explains itself, at once, and nothing heavy is imported for that."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from api.cli import main
from profiler.losses import names, source_path
from tests.cli.command import run

COMMANDS = (
    "demo",
    "recommend",
    "data",
    "losses",
    "profiles",
    "devices",
    "samples",
    "serve",
    "worker",
)


GROUPED = ("db upgrade", "keys create", "keys list", "keys revoke")


@pytest.mark.parametrize("command", [*COMMANDS, *GROUPED])
def test_a_command_explains_itself(tmp_path: Path, command: str) -> None:
    ended = run(tmp_path, *command.split(), "--help")
    assert ended.status == 0
    assert f"Usage: softmax-advisor {command}" in ended.stdout
    assert len(ended.stdout.splitlines()) >= 8
    assert ended.stderr == ""


def test_help_lists_all_commands_in_under_point_six_seconds(tmp_path: Path) -> None:
    listed = run(tmp_path, "--help").stdout
    assert all(f" {command} " in listed for command in (*COMMANDS, "db", "keys"))
    # Of CPU: whatever else the machine does meanwhile is not the command's.
    assert min(run(tmp_path, "--help").cpu_seconds for _ in range(4)) < 0.6


def test_without_a_command_it_is_the_same_help(tmp_path: Path) -> None:
    assert run(tmp_path).stdout == run(tmp_path, "--help").stdout
    assert run(tmp_path, "--version").stdout.strip() == version("softmax-advisor")


def test_the_command_line_imports_nothing_heavy() -> None:
    code = (
        "import sys, api.cli\n"
        "heavy = {'numpy', 'torch', 'pydantic', 'sqlalchemy', 'fastapi', 'dbos', 'polars'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.stderr == ""
    assert ended.returncode == 0


def test_calibrating_never_imports_torch_into_the_command() -> None:
    code = (
        "import sys, api.commands.calibration, api.commands.look, api.report, api.tables\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("loss", names())
def test_the_source_of_a_loss_is_its_file(loss: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["losses", loss, "--source"]) == 0
    assert capsys.readouterr().out == source_path(loss).read_text()


def test_a_loss_and_the_samples_are_shown(tmp_path: Path) -> None:
    assert run(tmp_path, "losses", "bpr", "--source").stdout == source_path("bpr").read_text()
    card = run(tmp_path, "losses", "softmax").stdout
    assert all(word in card for word in ("formula", "minimiser", "learning_rate", "Claims"))
    samples = run(tmp_path, "samples").stdout
    assert all(word in samples for word in ("GroupLens", "GeoNames", "PSF-2.0"))


def test_the_database_is_made_and_upgraded(tmp_path: Path) -> None:
    assert run(tmp_path, "db", "upgrade").status == 0
    assert (tmp_path / "advisor" / "advisor.sqlite").is_file()
