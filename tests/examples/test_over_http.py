"""The examples that speak HTTP, run as they are shown, against a real server."""

import subprocess
import sys
from pathlib import Path

from tests.api.servers import Site
from tests.house.repository import ROOT


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _address(sqlite_served: Site) -> str:
    return str(sqlite_served.http.base_url)


def test_curl_plans_calibrates_watches_and_reads_the_answer(
    sqlite_served: Site, tmp_path: Path
) -> None:
    script = str(ROOT / "examples" / "curl.sh")
    said = _run(tmp_path, "sh", script, _address(sqlite_served), "6")
    assert '"least_budget_seconds":' in said
    assert "1 event: decided" in said
    assert '"loss":"' in said.splitlines()[-1]


def test_the_client_calibrates_and_tells_the_outcome(sqlite_served: Site, tmp_path: Path) -> None:
    script = str(ROOT / "examples" / "client.py")
    options = ("--address", _address(sqlite_served), "--budget", "10")
    said = _run(tmp_path, sys.executable, "-P", script, *options)
    assert "leads, forecast 0." in said
    assert "settings, about" in said
    outcomes = sqlite_served.http.get("/v1/profiles", params={"source": "outcome"}).json()["items"]
    assert f"the outcome is profile {outcomes[0]['id']}" in said


def test_a_training_loop_of_ones_own_asks_and_tells(sqlite_served: Site, tmp_path: Path) -> None:
    script = str(ROOT / "examples" / "own_trainer.py")
    options = ("--address", _address(sqlite_served), "--budget", "5", "--losses", "bpr", "softmax")
    said = _run(tmp_path, sys.executable, "-P", script, *options)
    id_ = said.splitlines()[0].removeprefix("calibration ")
    calibration = sqlite_served.calibration(id_)
    assert calibration["status"] == "succeeded"
    answer = sqlite_served.http.get(
        f"/v1/recommendations/{calibration['recommendation_id']}"
    ).json()
    assert answer["evidence_level"] == "measured"
    measured = [ranked for ranked in answer["ranking"] if ranked["measured"]]
    assert measured
    # What it learnt beats an order by chance: 10 of 280 unseen items, at 1/log2(1 + rank).
    assert max(ranked["predicted_metric"]["mean"] for ranked in measured) > 0.03
