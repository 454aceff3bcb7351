"""A loss of a package of one's own, built and installed: in the catalogue, a race and HTTP."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import COMMAND, environment, write_task
from tests.house.repository import ROOT
from tests.own_loss import NAME, PACKAGE, installed
from tests.small_data import write_interactions

OVER_HTTP = """
import json
from tests.api.in_process import in_process
from api.settings import Settings
with in_process(Settings()) as client:
    listed = [loss["name"] for loss in client.get("/v1/losses").json()["items"]]
    card = client.get("/v1/losses/focal_softmax").json()
    source = client.get("/v1/losses/focal_softmax/source").text
    task = {"kind": "description", "metric": "ndcg@10", "losses": {"include": ["focal_softmax"]},
            "statistics": {"n_rows": 1000, "n_classes": 500, "n_examples": 20000}}
    answer = client.post("/v1/recommendations", json={"task": task}).json()
print(json.dumps([listed, card["measurable"], source, answer["loss"]]))
"""

# Until each of the two was trained, however long that takes on a busy machine
RACE = """
import sys, yaml
from pathlib import Path
from advisor import Task
from profiler.calibrate import calibrate
from profiler.workspace import Workspace
raced = set()
def note(event):
    if event.kind == "leg_ended":
        raced.add(event.report.leg.trial.candidate.loss)
task = Task.model_validate(yaml.safe_load(Path(sys.argv[1]).read_text()))
answer = calibrate(task, 300, workspace=Workspace(Path("work")), on_event=note,
                   should_stop=lambda: len(raced) == 2).recommendation
print(answer.model_dump_json())
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the package is installed into, as a user would beside the service."""
    return installed(tmp_path_factory.mktemp("package"))


def run(site: Path, folder: Path, *command: str | Path) -> str:
    """What a program prints where the package is installed."""
    path = os.pathsep.join(p for p in (str(site), os.environ.get("PYTHONPATH", "")) if p)
    given = {**environment(folder), "PYTHONPATH": path}
    ran = subprocess.run(
        list(map(str, command)), cwd=folder, env=given, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_command_line_lists_it_with_its_card_and_its_source(site: Path, tmp_path: Path) -> None:
    listed = json.loads(run(site, tmp_path, COMMAND, "losses", "--json"))
    assert next(loss for loss in listed if loss["name"] == NAME)["measurable"]
    source = run(site, tmp_path, COMMAND, "losses", NAME, "--source")
    assert source == (PACKAGE / NAME / "layer.py").read_text()


@pytest.mark.slow
def test_it_races_beside_a_loss_of_the_catalogue(site: Path, tmp_path: Path) -> None:
    write_interactions(tmp_path / "orders.csv")
    # One setting of ours: which of several is ranked is a forecast's choice, measured or not.
    one = f"{{{NAME}: {{learning_rate: [0.003], weight_decay: [0.0001], gamma: [2.0]}}}}"
    losses = f"{{include: [{NAME}, softmax], settings: {one}}}"
    task = write_task(tmp_path, losses=losses, horizon="{epochs: 2}")
    answer = json.loads(run(site, tmp_path, sys.executable, "-c", RACE, task).splitlines()[-1])
    ranked = {entry["loss"]: entry for entry in answer["ranking"]}
    assert set(ranked) == {NAME, "softmax"}
    assert ranked[NAME]["measured"]
    assert ranked[NAME]["consistency"]["source"] == "Charoenphakdee et al., CVPR 2021"


def test_http_lists_it_shows_its_source_and_recommends_it(site: Path, tmp_path: Path) -> None:
    path = os.pathsep.join((str(site), str(ROOT)))
    ran = run(Path(path), tmp_path, sys.executable, "-c", OVER_HTTP)
    listed, is_measurable, source, recommended = json.loads(ran.splitlines()[-1])
    assert NAME in listed
    assert "softmax" in listed
    assert is_measurable
    assert source.startswith('"""Layer of the focal loss')
    assert recommended == NAME


@pytest.mark.slow
def test_its_author_proves_the_contract_by_pytest(site: Path, tmp_path: Path) -> None:
    shutil.copy(PACKAGE / "test_focal_softmax.py", tmp_path)
    options = ["-q", "-p", "no:cacheprovider", "test_focal_softmax.py"]
    ran = run(site, tmp_path, sys.executable, "-m", "pytest", *options)
    assert "failed" not in ran
    assert int(ran.split(" passed")[0].split()[-1]) > 30
