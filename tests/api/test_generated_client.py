"""What a standard generator makes of a running server's description is a client that works."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.api.servers import site
from tests.databases import sqlite_url

pytestmark = pytest.mark.slow
GENERATOR = Path(sys.executable).with_name("openapi-generator-cli")
NO_MORE_THAN_THE_CODE = "apiTests=false,modelTests=false,apiDocs=false,modelDocs=false"
PROGRAM = """
import json, sys
import advised
from advised.models import FullTraining, RecommendationRequest, Task, TaskStatistics

with advised.ApiClient(advised.Configuration(host=sys.argv[1])) as client:
    losses = advised.LossesApi(client).list_losses()
    statistics = TaskStatistics(n_rows=1000, n_classes=500, n_examples=20_000)
    task = Task(name="numbers", kind="description", metric="ndcg@10", statistics=statistics)
    answers = advised.RecommendationsApi(client)
    answer = answers.create_recommendation(RecommendationRequest(task=task))
    told = answers.create_outcome(answer.id, FullTraining(epochs=3, value=0.25))
    page = advised.ProfilesApi(client).list_profiles(task="numbers", page_size=10)
    try:
        answers.get_recommendation("nothing")
    except advised.exceptions.NotFoundException as error:
        refused = error.data.type
print(json.dumps({
    "losses": [loss.name for loss in losses.items],
    "answer": answer.to_dict(),
    "profile_id": told.profile_id,
    "profiles": [[p.id, p.candidate.loss, p.final_value] for p in page.items],
    "refused": refused,
}, default=str))
"""


def test_a_generated_client_reads_losses_an_answer_and_a_page_of_profiles(tmp_path: Path) -> None:
    with site(sqlite_url(tmp_path), tmp_path) as found:
        found.serve(ADVISOR_RUNS_CALIBRATIONS="false")
        address = str(found.http.base_url).rstrip("/")
        generated = _generated(f"{address}/openapi.json", tmp_path / "generated")
        # As in the folder of a user: nothing of ours can be imported by accident.
        command = [sys.executable, "-W", "error", "-c", PROGRAM, address]
        ran = subprocess.run(command, cwd=generated, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        said = json.loads(ran.stdout)
        _agrees(said, found.http)


def _generated(description: str, target: Path) -> Path:
    """The folder that holds the generated package `advised`."""
    command = [GENERATOR, "generate", "-g", "python", "--package-name", "advised"]
    command += ["--global-property", NO_MORE_THAN_THE_CODE, "-i", description, "-o", target]
    quick = {**os.environ, "JAVA_OPTS": "-XX:TieredStopAtLevel=1"}  # 2.3 s of CPU, not 4.1
    ran = subprocess.run(command, env=quick, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "ERROR" not in ran.stdout + ran.stderr
    return target


def _agrees(said: dict, http: httpx.Client) -> None:
    """The generated client read what plain HTTP reads."""
    listed = http.get("/v1/losses").json()["items"]
    assert said["losses"] == [loss["name"] for loss in listed]
    answer = http.get(f"/v1/recommendations/{said['answer']['id']}").json()
    assert said["answer"]["loss"] == answer["loss"]
    assert said["answer"]["settings"] == answer["settings"]
    assert said["answer"]["p_best"] == answer["p_best"]
    ranked = [entry["loss"] for entry in said["answer"]["ranking"]]
    assert ranked == [entry["loss"] for entry in answer["ranking"]]
    assert said["profiles"] == [[said["profile_id"], answer["loss"], 0.25]]
    assert said["refused"] == "urn:softmax-advisor:problem:not-found"
