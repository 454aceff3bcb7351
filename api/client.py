"""AdvisorClient: the service's HTTP, typed with advisor's own values.

Whatever the network or a restarting service does, a call is tried again until its patience ends;
what changes something carries an idempotency key, so that trying again does nothing twice.

>>> with AdvisorClient("http://127.0.0.1:8000") as advisor:  # doctest: +SKIP
...     answer = advisor.calibrate(task, 60, on_event=print)
...     print(answer.loss, answer.settings, answer.p_best)
"""

import importlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import uuid4

import httpx
import httpx_sse

from advisor.ask_tell import (
    LEASE_SECONDS,
    Asked,
    Asking,
    Lease,
    Telling,
    Told,
    ToldMeasurement,
    TrainerDevice,
)
from advisor.calibration import Calibration
from advisor.errors import AdvisorError
from advisor.evidence import Outcome, Profile
from advisor.live import NumberedEvent
from advisor.outcome import FullTraining
from advisor.plan import Plan
from advisor.recommendation import Recommendation
from advisor.task import Task
from advisor.value import Value
from api.profile_frame import profile_frame

if TYPE_CHECKING:
    import polars

V = TypeVar("V", bound=Value)
AnyTask = Task | Mapping[str, Any]

_PASSING = (429, 502, 503, 504)
"""Answers that another try may not get."""
_WAIT_SECONDS = (0.2, 5.0)
_PAGE_SIZE = 500
# The service sends a comment every 15 s, whatever happens.
_SILENCE_SECONDS = 45.0


class ServiceError(AdvisorError):
    """The service refused a request; `problem` is its problem document, `status` its number."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status, self.problem = status, dict(problem)
        self.name = str(problem.get("type", "")).rpartition(":")[2]
        super().__init__(str(problem.get("detail") or f"the service answered {status}"))


class ServiceUnreachableError(AdvisorError):
    """The service did not answer, however often it was asked."""


class NoAnswerError(AdvisorError):
    """The calibration ended without a recommendation; the message says why."""


class AdvisorClient:
    """A service at an address, asked with a key if it wants one; use it in a `with` block.

    `patience_seconds` is how long a call is tried again while the service does not answer.
    Methods raise ServiceError for what the service refuses, ServiceUnreachableError when patience
    has ended, and pydantic's ValidationError for a task that is none.
    """

    def __init__(
        self,
        address: str = "http://127.0.0.1:8000",
        key: str | None = None,
        *,
        patience_seconds: float = 120.0,
        http: httpx.Client | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = http or httpx.Client(base_url=address, headers=headers, timeout=60.0)
        self._patience_seconds = patience_seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    # Answers -----------------------------------------------------------------------------------

    def recommend(self, task: AnyTask, device: str | None = None) -> Recommendation:
        """An answer at once, from theory and stored profiles; `device` is a known device's id."""
        body = {"task": _body(task), "device": device}
        return self._post(Recommendation, "/v1/recommendations", body)

    def recommendation(self, recommendation_id: str) -> Recommendation:
        """An answer given before."""
        return self._get(Recommendation, f"/v1/recommendations/{recommendation_id}")

    def report_outcome(self, recommendation_id: str, training: FullTraining) -> str:
        """Tell what full training really gave; returns the id of the profile that it becomes."""
        path = f"/v1/recommendations/{recommendation_id}/outcome"
        return str(self._send("POST", path, json=_json(training)).json()["profile_id"])

    def profiles(self, **filters: str | int | bool) -> "polars.DataFrame":
        """All profiles that match, newest first, one row each; settings as JSON text.

        Filters are those of GET /v1/profiles: loss, task, kind, device, metric, n_classes_min,
        n_classes_max and so on.
        """
        return profile_frame(self._pages(Profile, "/v1/profiles", filters))

    def profiles_as_pandas(self, **filters: str | int | bool) -> Any:
        """The same as a pandas frame; needs pandas, which this project does not bring."""
        frame = self.profiles(**filters)
        return importlib.import_module("pandas").DataFrame(frame.to_dicts(), columns=frame.columns)

    # Calibrations ------------------------------------------------------------------------------

    def plan(self, task: AnyTask, budget_seconds: float, **options: Any) -> Plan:
        """What a budget will buy; options are `device`, `executor` and `can_pause`."""
        body = {"task": _body(task), "budget_seconds": budget_seconds, **options}
        return self._post(Plan, "/v1/calibrations:plan", body)

    def calibrate(
        self,
        task: AnyTask,
        budget_seconds: float,
        on_event: Callable[[NumberedEvent], None] = lambda event: None,
        *,
        device_tag: str | None = None,
    ) -> Recommendation:
        """Calibrate on the service's workers and wait for the answer; raises NoAnswerError.

        `on_event` is called with everything that happens, each once and in order. Whoever stops
        waiting (Ctrl-C) leaves the calibration running.
        """
        calibration = self.begin(task, budget_seconds, device_tag=device_tag)
        for event in self.events(calibration.id):
            on_event(event)
        return self.answer(calibration.id)

    def begin(
        self, task: AnyTask, budget_seconds: float, *, device_tag: str | None = None
    ) -> Calibration:
        """Queue a calibration and return at once."""
        body = {"task": _body(task), "budget_seconds": budget_seconds, "device_tag": device_tag}
        return self._post(Calibration, "/v1/calibrations", body)

    def begin_elsewhere(
        self,
        task: AnyTask,
        budget_seconds: float,
        *,
        device: TrainerDevice | None = None,
        data_fingerprint: str | None = None,
    ) -> Calibration:
        """Open a calibration whose legs you train yourself: `ask`, train, `tell`."""
        body = {
            "executor": "external",
            "task": _body(task),
            "budget_seconds": budget_seconds,
            "device": device and _json(device),
            "data_fingerprint": data_fingerprint,
        }
        return self._post(Calibration, "/v1/calibrations", body)

    def calibration(self, calibration_id: str) -> Calibration:
        """How a calibration stands."""
        return self._get(Calibration, f"/v1/calibrations/{calibration_id}")

    def cancel(self, calibration_id: str) -> Calibration:
        """Stop a calibration; it still answers with the best so far."""
        return self._post(Calibration, f"/v1/calibrations/{calibration_id}:cancel")

    def answer(self, calibration_id: str) -> Recommendation:
        """The answer of a calibration that has ended; raises NoAnswerError if it has none."""
        found = self.calibration(calibration_id)
        if found.recommendation_id is None:
            raise NoAnswerError(found.error or f"calibration {found.id} is {found.status}")
        return self.recommendation(found.recommendation_id)

    def events(self, calibration_id: str, after: int = 0) -> Iterator[NumberedEvent]:
        """What happens in a calibration, as it happens, behind the event with this number.

        Ends with the calibration. A stream that breaks goes on where it broke.
        """
        path = f"/v1/calibrations/{calibration_id}/events"
        timeout = httpx.Timeout(60.0, read=_SILENCE_SECONDS)
        patience = _Patience(self._patience_seconds)
        while True:
            headers = {"Last-Event-ID": str(after)}
            try:
                with httpx_sse.connect_sse(
                    self._http, "GET", path, headers=headers, timeout=timeout
                ) as source:
                    if source.response.status_code == 204:
                        return
                    _check(source.response)
                    for sent in source.iter_sse():
                        if not sent.data:  # the library takes a ping for an event
                            continue
                        event = NumberedEvent.model_validate_json(sent.data)
                        after = event.number
                        patience = _Patience(self._patience_seconds)
                        yield event
                        if event.is_last:
                            return
            except httpx.TransportError as error:
                patience.wait(error)
            except ServiceError as error:
                if error.status not in _PASSING:
                    raise
                patience.wait(error)

    # Ask and tell ------------------------------------------------------------------------------

    def ask(
        self,
        calibration_id: str,
        *,
        trainer: str | None = None,
        can_pause: bool = True,
        lease_seconds: float = LEASE_SECONDS,
    ) -> Asked:
        """Lease the next leg of a calibration that was begun elsewhere."""
        asking = Asking(trainer=trainer, can_pause=can_pause, lease_seconds=lease_seconds)
        path = f"/v1/calibrations/{calibration_id}/trials:ask"
        return self._post(Asked, path, _json(asking))

    def leases(self, calibration_id: str, **how: Any) -> Iterator[Lease]:
        """Leg after leg until the calibration has ended, waiting while others train them all.

        `how` is that of `ask`. Tell of each lease before the next one is taken.
        """
        while True:
            asked = self.ask(calibration_id, **how)
            if asked.lease is not None:
                yield asked.lease
            elif asked.retry_after_seconds is None:
                return
            else:
                time.sleep(asked.retry_after_seconds)

    def tell(
        self,
        lease: Lease,
        measurements: Sequence[ToldMeasurement] = (),
        *,
        outcome: Outcome | None = None,
        detail: str | None = None,
        step_seconds: float | None = None,
        peak_bytes: int | None = None,
        wall_seconds: float | None = None,
    ) -> Told:
        """Tell what a leg measured; without measurements it keeps the lease."""
        telling = Telling(
            lease_id=lease.id,
            measurements=tuple(measurements),
            outcome=outcome,
            detail=detail,
            step_seconds=step_seconds,
            peak_bytes=peak_bytes,
            wall_seconds=wall_seconds,
        )
        return self._post(Told, f"/v1/trials/{lease.trial_id}:tell", _json(telling))

    # HTTP --------------------------------------------------------------------------------------

    def _get(self, kind: type[V], path: str) -> V:
        return kind.model_validate_json(self._send("GET", path).content)

    def _post(self, kind: type[V], path: str, body: Mapping[str, Any] | None = None) -> V:
        given = None if body is None else {k: v for k, v in body.items() if v is not None}
        return kind.model_validate_json(self._send("POST", path, json=given).content)

    def _pages(
        self, kind: type[V], path: str, filters: Mapping[str, str | int | bool]
    ) -> Iterator[V]:
        wanted: dict[str, Any] = {**filters, "page_size": _PAGE_SIZE}
        while True:
            page = self._send("GET", path, params=wanted).json()
            yield from map(kind.model_validate, page["items"])
            if page["next_page_token"] is None:
                return
            wanted["page_token"] = page["next_page_token"]

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        headers = {"Idempotency-Key": uuid4().hex} if method == "POST" else {}
        patience = _Patience(self._patience_seconds)
        while True:
            try:
                response = self._http.request(method, path, headers=headers, **content)
                _check(response)
                return response
            except httpx.TransportError as error:
                patience.wait(error)
            except ServiceError as error:
                if error.status not in _PASSING:
                    raise
                patience.wait(error, error.problem.get("retry_after_seconds"))


class _Patience:
    """Waits a little longer each time, until there is no patience left."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds
        self._wait_seconds, self._most_seconds = _WAIT_SECONDS

    def wait(self, error: Exception, seconds: float | None = None) -> None:
        """Wait for another try; raises the error, or what it means, when patience has ended."""
        seconds = self._wait_seconds if seconds is None else float(seconds)
        if time.monotonic() + seconds > self._ends_at:
            if isinstance(error, ServiceError):
                raise error
            raise ServiceUnreachableError(f"the service does not answer: {error}") from error
        time.sleep(seconds)
        self._wait_seconds = min(2 * self._wait_seconds, self._most_seconds)


def _check(response: httpx.Response) -> None:
    """Raise ServiceError for a refusal, with its problem document, whoever wrote it."""
    if response.is_success:
        return
    response.read()
    problem: dict[str, Any] = {"title": response.reason_phrase, "detail": response.text[:500]}
    with suppress(ValueError):
        found = response.json()
        problem = found if isinstance(found, dict) else problem
    if (seconds := response.headers.get("Retry-After", "")).isdigit():  # it may also be a date
        problem.setdefault("retry_after_seconds", float(seconds))
    raise ServiceError(response.status_code, problem)


def _body(task: AnyTask) -> dict[str, Any]:
    """The task as it is sent, what is left to its defaults left out."""
    checked = task if isinstance(task, Task) else Task.model_validate(task)
    return checked.model_dump(mode="json", exclude_unset=True)


def _json(value: Value) -> dict[str, Any]:
    return value.model_dump(mode="json", exclude_unset=True)
