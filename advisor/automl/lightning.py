"""Lightning: a callback that tells a service what the leg it trains has measured.

Needs the extra `lightning`. The leg comes from `AdvisorClient.ask` or `leases`; a Trainer that
begins at the first example of each trial asks with `can_pause=False`.
"""

import importlib
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from advisor.ask_tell import Lease, Told, ToldMeasurement
from advisor.evidence import Outcome

_Callback: Any = importlib.import_module("lightning").Callback


class Teller(Protocol):
    """What of an AdvisorClient is needed."""

    def tell(
        self,
        lease: Lease,
        measurements: Sequence[ToldMeasurement] = (),
        *,
        outcome: Outcome | None = None,
        detail: str | None = None,
    ) -> Told:
        """Tell what a leg measured."""
        ...


class TellAdvisor(_Callback):
    """Evaluates at the leg's checkpoints, tells, and stops the Trainer when the leg has ended.

    `evaluate(module)` is the task's metric on your validation rows; its seconds do not count as
    training. `batch_size` is how many examples a training batch has.
    """

    def __init__(
        self, client: Teller, lease: Lease, evaluate: Callable[[Any], float], batch_size: int
    ) -> None:
        self._client, self._lease = client, lease
        self._evaluate, self._batch_size = evaluate, batch_size
        self._checkpoints = list(lease.leg.checkpoints)
        self._examples, self._seconds, self._started = lease.leg.from_examples, 0.0, 0.0
        self._has_ended = False

    def on_train_batch_start(self, *_: Any) -> None:
        """Start the clock of one step."""
        self._started = time.perf_counter()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        """Tell where a checkpoint is reached."""
        self._seconds += time.perf_counter() - self._started
        self._examples += self._batch_size
        if self._checkpoints and self._examples >= self._checkpoints[0]:
            self._checkpoints = [c for c in self._checkpoints if c > self._examples]
            self._tell(trainer, pl_module)

    def on_train_end(self, *_: Any) -> None:
        """Training that ends before the leg's last checkpoint ends the leg."""
        self._end("completed")

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """What fails is an outcome, not a lease that lapses."""
        del trainer, pl_module
        self._end("failed", f"{type(exception).__name__}: {exception}"[:2000])

    def _tell(self, trainer: Any, module: Any) -> None:
        module.eval()
        value = self._evaluate(module)
        module.train()
        measured = ToldMeasurement.of(self._examples, value, self._seconds)
        told = self._client.tell(self._lease, [measured])
        self._has_ended = told.leg_has_ended
        if told.leg_has_ended or told.should_stop:
            trainer.should_stop = True

    def _end(self, outcome: Outcome, detail: str | None = None) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._client.tell(self._lease, outcome=outcome, detail=detail)
