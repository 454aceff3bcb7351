"""The examples that speak HTTP, run as they are shown, against a real server."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.servers import Site, site
from tests.databases import sqlite_url
from tests.house.repository import ROOT


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("served")
    with site(sqlite_url(folder), folder) as found:
        found.serve()
        yield found


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _address(served: Site) -> str:
    return str(served.http.base_url)


def test_curl_plans_calibrates_watches_and_reads_the_answer(served: Site, tmp_path: Path) -> None:
    script = str(ROOT / "examples" / "curl.sh")
    said = _run(tmp_path, "sh", script, _address(served), "6")
    assert '"least_budget_seconds":' in said
    assert "1 event: decided" in said
    assert '"loss":"' in said.splitlines()[-1]


def test_the_client_calibrates_and_tells_the_outcome(served: Site, tmp_path: Path) -> None:
    script = str(ROOT / "examples" / "client.py")
    options = ("--address", _address(served), "--budget", "10")
    said = _run(tmp_path, sys.executable, "-P", script, *options)
    assert "leads, forecast 0." in said
    assert "settings, about" in said
    outcomes = served.http.get("/v1/profiles", params={"source": "outcome"}).json()["items"]
    assert f"the outcome is profile {outcomes[0]['id']}" in said


def test_a_training_loop_of_ones_own_asks_and_tells(served: Site, tmp_path: Path) -> None:
    script = str(ROOT / "examples" / "own_trainer.py")
    options = ("--address", _address(served), "--budget", "5", "--losses", "bpr", "softmax")
    said = _run(tmp_path, sys.executable, "-P", script, *options)
    id_ = said.splitlines()[0].removeprefix("calibration ")
    calibration = served.calibration(id_)
    assert calibration["status"] == "succeeded"
    answer = served.http.get(f"/v1/recommendations/{calibration['recommendation_id']}").json()
    assert answer["evidence_level"] == "measured"
    measured = [ranked for ranked in answer["ranking"] if ranked["measured"]]
    assert measured
    # What it learnt beats an order by chance: 10 of 280 unseen items, at 1/log2(1 + rank).
    assert max(ranked["predicted_metric"]["mean"] for ranked in measured) > 0.03
