"""Lightning against a real service: the example trains the legs that a calibration asks for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.servers import site
from tests.databases import sqlite_url
from tests.house.repository import ROOT

pytest.importorskip("lightning", reason="the extra lightning is not installed")


@pytest.mark.slow
def test_a_lightning_module_trains_the_legs_of_a_calibration(tmp_path: Path) -> None:
    with site(sqlite_url(tmp_path), tmp_path) as service:
        service.serve()
        command = [sys.executable, "-P", str(ROOT / "examples" / "lightning_module.py")]
        command += ["--address", f"http://127.0.0.1:{service.port}", "--epochs", "2"]
        command += ["--losses", "softmax", "sampled_softmax", "--budget", "15"]
        ran = subprocess.run(
            command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        assert "advised, measured: " in ran.stdout
        (calibration,) = service.http.get("/v1/calibrations").json()["items"]
        trials = service.trials(calibration["id"])
        assert {trial["loss"] for trial in trials} == {"softmax", "sampled_softmax"}
        assert all(trial["train_seconds"] > 0 for trial in trials)
