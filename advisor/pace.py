"""Pace: how a candidate moves towards its horizon - its legs and what they take."""

import math
from dataclasses import dataclass

from advisor.belief import Belief
from advisor.curve import checkpoints
from advisor.evidence import Leg, Trial

START_SECONDS = 0.15  # a child process, its dataset and its state

# Of a leg's training, at most, is spent on looking at it; one look, at its end, there is always.
_EVALUATION_SHARE = 0.25
# The earliest points of a curve say little, at a cost: from a sixth of a short first leg on.
_EARLIEST_OF_LEG, _EARLIEST_OF_HORIZON = 6, 64


@dataclass(frozen=True)
class Pace:
    """One candidate's way to the horizon on this device; example counts are whole batches."""

    horizon_examples: int
    batch_size: int
    seconds_per_example: float
    evaluation_seconds: float

    @classmethod
    def of(cls, belief: Belief, batch_size: int) -> "Pace":
        per_example = belief.cost.seconds_per_example
        return cls(
            horizon_examples=belief.horizon_examples,
            batch_size=batch_size,
            seconds_per_example=per_example.mean if per_example else float("inf"),
            evaluation_seconds=belief.cost.evaluation_seconds or 0.0,
        )

    @property
    def horizon_seconds(self) -> float:
        return self.horizon_examples * self.seconds_per_example

    @property
    def whole_horizon(self) -> int:
        """Examples at the horizon, in whole batches."""
        return self.whole(self.horizon_examples)

    def whole(self, examples: float) -> int:
        """At least so many examples, in whole batches."""
        return max(1, -(-int(examples) // self.batch_size)) * self.batch_size

    def leg(self, trial: Trial, start: int, until: int) -> Leg:
        """A leg with the curve's own checkpoints on the way."""
        earliest = min(until // _EARLIEST_OF_LEG, self.horizon_examples // _EARLIEST_OF_HORIZON)
        between = [p for p in self.ends(start, until) if p >= earliest]
        n_looks = self._looks_worth(until - start) - 1
        if n_looks < len(between):
            every = math.ceil(len(between) / n_looks) if n_looks > 0 else len(between) + 1
            between = between[::-1][every - 1 :: every][::-1]
        return Leg(trial=trial, from_examples=start, checkpoints=(*between, until))

    def ends(self, start: int, until: int) -> list[int]:
        """The curve's own checkpoints on the way: where a leg may end earlier."""
        points = checkpoints(self.horizon_examples, self.batch_size)
        return [p for p in points if start < p < until]

    def _looks_worth(self, examples: int) -> float:
        """How many evaluations so much training bears."""
        if not self.evaluation_seconds:
            return math.inf
        train = examples * self.seconds_per_example
        return max(1, train * _EVALUATION_SHARE // self.evaluation_seconds)

    def leg_seconds(self, leg: Leg) -> float:
        """Wall-clock the leg should take on a device with nothing else to do."""
        train = (leg.until_examples - leg.from_examples) * self.seconds_per_example
        return START_SECONDS + train + self.evaluation_seconds * len(leg.checkpoints)
