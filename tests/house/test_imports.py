"""Who imports what: the contracts, the lightness of `advisor`, and the losses as files to take."""

import ast
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.repository import ROOT, module_files

HEAVY = ("torch", "sqlalchemy", "fastapi", "sklearn", "dbos", "polars", "plotly", "scipy")
IMPORT_SECONDS_MAX = 0.5
PROGRAM = """
import json, sys, time
started = time.process_time()
import {module}
seconds = time.process_time() - started
print(json.dumps([seconds, sorted(set(sys.modules) & set({heavy!r}))]))
"""


def imported(module: str) -> tuple[float, list[str]]:
    """CPU seconds that a fresh interpreter takes to import it, and what heavy things came along.

    Not wall-clock, which on a busy machine would measure its neighbours.
    """
    program = PROGRAM.format(module=module, heavy=HEAVY)
    command = [sys.executable, "-P", "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, heavy = json.loads(ran.stdout)
    return seconds, heavy


def test_advisor_is_imported_quickly_and_alone() -> None:
    runs = [imported("advisor") for _ in range(3)]
    assert statistics.median(seconds for seconds, _ in runs) < IMPORT_SECONDS_MAX
    assert all(heavy == [] for _, heavy in runs)


@pytest.mark.parametrize("module", ["api.app", "api.cli", "profiler.calibrate"])
def test_the_parent_of_all_children_never_imports_torch(module: str) -> None:
    assert "torch" not in imported(module)[1]


def test_the_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def imports_of(file: Path) -> set[str]:
    """The top-level packages that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file.name}: no relative imports"
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("file", module_files(ROOT / "profiler" / "losses"), ids=lambda f: f.stem)
def test_a_loss_layer_needs_torch_and_nothing_of_ours(file: Path) -> None:
    assert imports_of(file) - set(sys.stdlib_module_names) == {"torch"}


@pytest.mark.parametrize("file", module_files(ROOT / "advisor" / "losses"), ids=lambda f: f.stem)
def test_a_loss_card_needs_advisor_and_nothing_else(file: Path) -> None:
    assert imports_of(file) - set(sys.stdlib_module_names) <= {"advisor"}


def test_every_layer_has_a_card() -> None:
    layers = {file.stem for file in module_files(ROOT / "profiler" / "losses")}
    cards = {file.stem for file in module_files(ROOT / "advisor" / "losses")}
    assert layers <= cards
