"""The examples of the docs run, as their reader would start them, with less to do."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.house.repository import ROOT

EXAMPLES = {
    "sklearn_pipeline.py": ("sklearn", ["--modules", "8", "--lines", "40", "--budget", "6"]),
    "optuna_study.py": ("optuna", ["--trials", "3", "--epochs", "2"]),
    "lightning_module.py": ("lightning", ["--epochs", "2"]),
}
SAYS = {
    "sklearn_pipeline.py": "accuracy on test",
    "optuna_study.py": "best accuracy",
    "lightning_module.py": "advised, theory: ",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_to_its_end(name: str, tmp_path: Path) -> None:
    package, arguments = EXAMPLES[name]
    if find_spec(package) is None:
        pytest.skip(f"the extra {package} is not installed")
    command = [sys.executable, "-P", str(ROOT / "examples" / name), *arguments]
    ran = subprocess.run(
        command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert SAYS[name] in ran.stdout
