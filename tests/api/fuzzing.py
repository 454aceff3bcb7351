"""The API asked by schemathesis, as its description says it may be and as it says it may not."""

import json
import subprocess
import sys
from typing import Any, NamedTuple

from tests.api.servers import Site
from tests.store.examples import LAPTOP

PHASES = ("examples", "coverage", "fuzzing", "stateful")
_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
# It does not end before its calibration does; tests of events read it.
_STREAM = "GET /v1/calibrations/{calibration_id}/events"
_RUN = "from schemathesis.cli import schemathesis; schemathesis()"
_DESCRIPTION = {
    "kind": "description",
    "statistics": {"n_rows": 900, "n_classes": 1000, "n_examples": 90_000},
    "losses": {"include": ["bpr", "softmax"]},
}


class Fuzzed(NamedTuple):
    """How many cases there were, what was found, and what was printed of it."""

    n_cases: int
    failures: list[Any]
    output: str


def fuzz(
    site: Site, n_examples: int, *options: str, phases: tuple[str, ...] = PHASES, seed: int = 1
) -> Fuzzed:
    """Ask every operation of a server that runs, at most `n_examples` times in each phase."""
    report = site.folder / f"fuzzed-{seed}.json"
    (site.folder / "schemathesis.toml").write_text(_known_ids(site))
    command = [sys.executable, "-c", _RUN, "run", f"{site.http.base_url}/openapi.json"]
    command += ["--phases", ",".join(phases), "--max-examples", str(n_examples)]
    command += ["--checks", ",".join(_CHECKS), "--exclude-name", _STREAM, "--seed", str(seed)]
    command += ["--continue-on-failure", "--no-shrink", "--suppress-health-check", "all"]
    command += ["--request-timeout", "30", "--warnings", "off"]
    command += ["--report", "json", "--report-json-path", str(report), *options]
    run = subprocess.run(command, cwd=site.folder, capture_output=True, text=True)
    assert report.exists(), run.stdout + run.stderr
    found = json.loads(report.read_text())
    assert found["complete"], run.stdout + run.stderr
    assert found["operations"]["errored"] == found["test_cases"]["errored"] == 0, run.stdout
    return Fuzzed(found["test_cases"]["generated"], found["failures"], run.stdout)


def _known_ids(site: Site) -> str:
    """What the server has, for the paths that name it: else all of them would be answered by 404.

    What is deleted is made anew by nobody, so the rest of a run asks for what is gone.
    """

    def made(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = site.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    answer = made("/v1/recommendations", {"task": _DESCRIPTION})
    outcome = made(f"/v1/recommendations/{answer['id']}/outcome", {"value": 0.3, "epochs": 1})
    external = {
        "task": _DESCRIPTION,
        "budget_seconds": 60,
        "executor": "external",
        "device": LAPTOP.model_dump(exclude={"id"}),
    }
    calibration = made("/v1/calibrations", external)
    asked = made(f"/v1/calibrations/{calibration['id']}/trials:ask", {})
    sent = site.http.post("/v1/uploads", content=b"user,item\na,b\nc,d\n")
    ids = {
        "recommendation_id": answer["id"],
        "profile_id": outcome["profile_id"],
        "calibration_id": calibration["id"],
        "trial_id": asked["lease"]["trial_id"] if asked.get("lease") else "none",
        "upload_id": sent.json()["id"],
        "task_id": made("/v1/tasks", {"task": _DESCRIPTION})["id"],
        "name": "softmax",
    }
    return "[parameters]\n" + "".join(f'"path.{name}" = "{id_}"\n' for name, id_ in ids.items())
