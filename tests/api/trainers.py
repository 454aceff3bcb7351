"""Trainers elsewhere: they ask and tell over HTTP, and their curves are those of `worlds`."""

from collections.abc import Callable
from typing import Any

import httpx

from advisor.ask_tell import Asked, Lease, Told
from advisor.evidence import Leg
from tests.advisor.worlds import STATISTICS, STEP_SECONDS, curve

LOSSES = ("bpr", "rg2", "softmax")
BATCH_SIZE = 512


def task(**changes: Any) -> dict[str, Any]:
    """A task of which nobody here has the data: three losses, one setting each."""
    rate, decay = [0.003], [0.0]
    fields = {
        "name": "elsewhere",
        "kind": "interactions",
        "statistics": STATISTICS.model_dump(),
        "metric": "ndcg@20",
        "horizon": {"epochs": 20},
        "training": {"batch_size": BATCH_SIZE},
        "losses": {
            "include": LOSSES,
            "settings": {name: {"learning_rate": rate, "weight_decay": decay} for name in LOSSES},
        },
    }
    return fields | changes


def opened(http: httpx.Client, budget_seconds: float = 100, **changes: Any) -> str:
    """A calibration for trainers elsewhere; returns its id."""
    body = {"task": task(), "budget_seconds": budget_seconds, "executor": "external"}
    answer = http.post("/v1/calibrations", json=body | changes)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def asked(http: httpx.Client, calibration_id: str, key: str | None = None, **how: Any) -> Asked:
    headers = {"Idempotency-Key": key} if key else {}
    path = f"/v1/calibrations/{calibration_id}/trials:ask"
    answer = http.post(path, json=how, headers=headers)
    assert answer.status_code == 200, answer.text
    return Asked.model_validate_json(answer.content)


def leased(http: httpx.Client, calibration_id: str, key: str | None = None, **how: Any) -> Lease:
    lease = asked(http, calibration_id, key, **how).lease
    assert lease is not None
    return lease


def post_tell(http: httpx.Client, lease: Lease, **body: Any) -> httpx.Response:
    path = f"/v1/trials/{lease.trial_id}:tell"
    return http.post(path, json={"lease_id": lease.id, **body})


def told(http: httpx.Client, lease: Lease, **body: Any) -> Told:
    answer = post_tell(http, lease, **body)
    assert answer.status_code == 200, answer.text
    return Told.model_validate_json(answer.content)


def points(leg: Leg) -> list[dict[str, float]]:
    """What training this leg measures, with the seconds it takes."""
    candidate = leg.trial.candidate
    step = STEP_SECONDS[candidate.loss] / BATCH_SIZE
    return [
        {
            "examples": n,
            "value": curve(candidate, leg.trial.seed, n / STATISTICS.n_examples),
            "seconds": (n - leg.from_examples) * step,
        }
        for n in leg.checkpoints
    ]


def train_on(
    http: httpx.Client,
    calibration_id: str,
    on_lease: Callable[[Lease], None] = lambda lease: None,
    *,
    at_a_time: int = 100,
    **how: Any,
) -> Asked:
    """Ask, train and tell until the calibration has ended, some measurements at a time."""
    while True:
        answer = asked(http, calibration_id, **how)
        lease = answer.lease
        if lease is None:
            assert answer.status == "succeeded", "alone, a trainer never waits"
            return answer
        on_lease(lease)
        measured = points(lease.leg)
        for i in range(0, len(measured), at_a_time):
            some = measured[i : i + at_a_time]
            wall = some[-1]["seconds"] + 0.15
            said = told(http, lease, measurements=some, wall_seconds=wall, peak_bytes=10**8)
            if said.should_stop:
                said = told(http, lease, outcome="completed", wall_seconds=wall)
            if said.leg_has_ended:
                break
