"""The examples of the docs run, as their reader would start them, with less to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.repository import ROOT

EXAMPLES = {
    "sklearn_pipeline.py": ("sklearn", ["--modules", "8", "--lines", "40", "--budget", "6"]),
    "optuna_study.py": ("optuna", ["--trials", "3", "--epochs", "2"]),
    "lightning_module.py": ("lightning", ["--epochs", "2"]),
    "flaml_learner.py": ("flaml.automl", ["--budget", "10"]),
}
SAYS = {
    "sklearn_pipeline.py": "accuracy on test",
    "optuna_study.py": "best accuracy",
    "lightning_module.py": "advised, theory: ",
    "flaml_learner.py": "the best of ours",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_to_its_end(name: str, tmp_path: Path) -> None:
    package, arguments = EXAMPLES[name]
    pytest.importorskip(package, reason=f"{package} is not installed", exc_type=ImportError)
    command = [sys.executable, "-P", str(ROOT / "examples" / name), *arguments]
    ran = subprocess.run(
        command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert SAYS[name] in ran.stdout


@pytest.mark.parametrize("name", [*EXAMPLES, "own_loss"])
def test_an_example_is_shown_in_the_docs(name: str) -> None:
    assert f"(../examples/{name})" in (ROOT / "docs" / "automl.md").read_text()
