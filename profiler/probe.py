"""probe: step seconds and peak bytes of every loss at the task's full size, interleaved.

Round after round times every shape once, the cheapest first, so that a machine that slows down
slows all of them; medians over all rounds, with the quartiles as interval.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from advisor.calibration import Prepared
from advisor.cost import cost_of
from advisor.evidence import Candidate, StepCost
from advisor.value import Interval
from profiler.isolation import ChildFailedError, device_slot, in_child, wait_for_server
from profiler.messages import ProbeRound
from profiler.workspace import Workspace

_ROUNDS = 3
_ROUND_SECONDS = 0.25
_LEAST_SECONDS = 1.0


def probe(
    prepared: Prepared,
    shapes: Sequence[Candidate],
    workspace: Workspace,
    limit_seconds: float,
    deadline: float,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[StepCost]:
    """Yield each shape's cost once known; a shape that does not fit or crashes says so.

    One round always runs, within `limit_seconds` shared by the shapes that are still to come, so
    the cheap ones leave their rest to the dear ones; two more follow if time allows. Nothing is
    yielded of a shape without a round when it is stopped, or the device is busy until `deadline`.
    """
    wait_for_server()  # outside of the limit of the first shape
    probing = _Probing(prepared, workspace, limit_seconds, deadline, should_stop)
    cheapest_first = sorted(shapes, key=lambda shape: _price(shape, prepared))
    for number in range(_ROUNDS):
        left = [s for s in cheapest_first if s.key not in probing.failed]
        if number and sum(probing.took[s.key] for s in left) > probing.seconds_left:
            break
        if not all(probing.round(s, len(left) - i) for i, s in enumerate(left)):
            break
    evaluation_seconds = _evaluation_seconds(probing.rounds.values())
    for shape in shapes:
        rounds, error = probing.rounds.get(shape.key, []), probing.failed.get(shape.key)
        if rounds or error:
            yield _pooled(prepared, shape, rounds, error, evaluation_seconds)


class _Probing:
    """The rounds so far. Time spent waiting for the device is not counted."""

    def __init__(
        self,
        prepared: Prepared,
        workspace: Workspace,
        limit_seconds: float,
        deadline: float,
        should_stop: Callable[[], bool],
    ) -> None:
        self._prepared, self._workspace = prepared, workspace
        self._deadline, self._should_stop = deadline, should_stop
        self.seconds_left = limit_seconds
        self.took: dict[str, float] = {}
        self.rounds: dict[str, list[ProbeRound]] = {}
        self.failed: dict[str, ChildFailedError] = {}

    def round(self, shape: Candidate, n_to_come: int) -> bool:
        """Time a shape once, as one of `n_to_come` in this round; False when it was stopped."""
        limit_seconds = max(_LEAST_SECONDS, self.seconds_left / n_to_come)
        seen: list[ProbeRound] = []
        try:
            with device_slot(
                self._workspace.data_dir,
                self._workspace.device_slot,
                deadline=self._deadline,
                should_stop=self._should_stop,
            ):
                started = time.monotonic()
                try:
                    seen += self._run(shape, limit_seconds)
                finally:
                    self.took[shape.key] = time.monotonic() - started
                    self.seconds_left -= self.took[shape.key]
        except ChildFailedError as error:
            if error.outcome == "cancelled":
                return False
            # A shape that was timed before fits in principle, and the machine was busy now.
            if shape.key not in self.rounds or error.outcome == "out_of_memory":
                self.failed[shape.key] = error
        if seen:
            self.rounds.setdefault(shape.key, []).append(seen[-1])
        return True

    def _run(self, shape: Candidate, limit_seconds: float) -> list[ProbeRound]:
        """What the child sent; steps that came before the time was over are enough."""
        arguments = {
            "prepared": self._prepared,
            "candidate": shape,
            "n_threads": self._workspace.threads(self._prepared),
            "seconds": min(_ROUND_SECONDS, limit_seconds / 4),
        }
        seen: list[ProbeRound] = []
        try:
            for message in in_child(
                "profiler.probe_step:probe_step",
                arguments,
                time_limit_seconds=limit_seconds,
                memory_limit_bytes=self._workspace.memory_limit_bytes,
                should_stop=self._should_stop,
            ):
                seen.append(message)
        except ChildFailedError as error:
            if error.outcome != "timed_out" or not seen:
                raise
        return seen


def _price(shape: Candidate, prepared: Prepared) -> float:
    price = cost_of(shape, prepared.task, prepared.statistics, None).seconds_per_example
    return price.mean if price else 0.0


def _evaluation_seconds(shapes: Iterable[Sequence[ProbeRound]]) -> float | None:
    """The longest of the shapes: a shape that had no time for its own scores the same rows."""
    own = (_own_evaluation_seconds(rounds) for rounds in shapes)
    return max((seconds for seconds in own if seconds is not None), default=None)


def _own_evaluation_seconds(rounds: Sequence[ProbeRound]) -> float | None:
    seconds = (r.evaluation_seconds for r in rounds)
    return min((s for s in seconds if s is not None), default=None)


def _pooled(
    prepared: Prepared,
    shape: Candidate,
    rounds: Sequence[ProbeRound],
    error: ChildFailedError | None,
    evaluation_seconds: float | None,
) -> StepCost:
    own = _own_evaluation_seconds(rounds)
    return StepCost(
        candidate=shape,
        outcome=error.outcome if error else "completed",
        batch_size=prepared.task.training.batch_size,
        step_seconds=_quartiles([s for r in rounds for s in r.step_seconds]),
        evaluation_seconds=evaluation_seconds if own is None else own,
        peak_bytes=max((r.peak_bytes for r in rounds), default=None),
        detail=error.detail if error else None,
    )


def _quartiles(times: Sequence[float]) -> Interval | None:
    if not times:
        return None
    # "inclusive" stays between the least and the greatest; it wants two at least.
    two_or_more = times if len(times) > 1 else [*times, *times]
    low, median, high = statistics.quantiles(two_or_more, n=4, method="inclusive")
    return Interval(low=low, mean=median, high=high)
