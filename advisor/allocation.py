"""What the next piece of budget is worth: successive halving within a loss, gain per second across.

Within a loss every setting has the same cost, so values at the same example count compare fairly:
at each doubling at most the best four in five of the settings go on. Across losses a value early
on says little (cheap losses lead first), so there the forecast at the horizon decides: the next leg
is the one with the greatest expected gain over the leader per second, and no loss is dropped before
its expected gain is gone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from advisor.belief import Belief
from advisor.curve import value_at
from advisor.forecast import SEED_SD
from advisor.task import Metric

_GAIN_AT_LEAST = 1e-4  # of the leader: below this nothing is worth its seconds


@dataclass(frozen=True)
class Contender:
    """A candidate in the race: what is believed of it and how far its first trial has come."""

    belief: Belief
    examples: int
    n_seeds: int
    is_out: bool
    rungs: tuple[int, ...]

    @property
    def rung(self) -> int:
        """Index of the highest rung reached; -1 when not opened."""
        return sum(self.examples >= r for r in self.rungs) - 1

    def score_at_rung(self, rung: int) -> float:
        profile = self.belief.profile
        value = value_at(profile.curve, self.rungs[rung]) if profile else None
        if profile is None or value is None:
            return -math.inf
        return Metric.parse(profile.metric).score(value)


@dataclass(frozen=True)
class Option:
    """A stretch of training that may be asked, of the trial with this seed (0 is the first)."""

    contender: Contender
    seed_index: int
    from_examples: int
    until_examples: int
    gain: float


def options(
    contenders: Sequence[Contender], max_seeds: int, keep_all: bool = False
) -> list[Option]:
    """Everything worth training next, with its expected gain in the metric; empty when settled.

    With `keep_all` settings beyond their loss's quota are offered, too.
    """
    running = [c for c in contenders if not c.is_out and c.belief.mean is not None]
    if not running:
        return []
    found = _promotions(running, keep_all) + _seeds(running, max_seeds)
    return _worthwhile(found, running)


def _worthwhile(found: list[Option], running: Sequence[Contender]) -> list[Option]:
    top = max(c.belief.mean or 0.0 for c in running)
    return [option for option in found if option.gain > _GAIN_AT_LEAST * top]


def quota(n: int, rung: int) -> int:
    """How many of `n` settings of a loss may go beyond this rung's predecessor."""
    return max(1, math.ceil(n * 2 ** (-rung / 3)))


def _promotions(running: Sequence[Contender], keep_all: bool) -> list[Option]:
    by_loss: dict[str, list[Contender]] = {}
    for contender in running:
        by_loss.setdefault(contender.belief.candidate.loss, []).append(contender)
    found: list[Option] = []
    for group in by_loss.values():
        for contender in _eligible(group, keep_all):
            until = contender.rungs[contender.rung + 1]
            gain = _expected_excess(_lead(contender, running), contender.belief.sd)
            found.append(Option(contender, 0, contender.examples, until, gain))
    return found


def _eligible(group: Sequence[Contender], keep_all: bool) -> list[Contender]:
    """The best at each rung, as many as may still go on from it; those short of the first, all."""
    opened = [c for c in group if c.examples > 0]
    found = [c for c in opened if c.rung < 0]
    for rung in range(max((len(c.rungs) for c in opened), default=1) - 1):
        here = [c for c in opened if c.rung == rung and rung + 1 < len(c.rungs)]
        beyond = sum(c.rung > rung for c in opened)
        free = len(here) if keep_all else quota(len(opened), rung + 1) - beyond
        here.sort(key=lambda c: -c.score_at_rung(rung))
        found += here[: max(0, free)]
    return found


def _seeds(running: Sequence[Contender], max_seeds: int) -> list[Option]:
    """A further seed narrows what is known of a candidate that has reached its horizon."""
    found: list[Option] = []
    for contender in running:
        belief = contender.belief
        n = contender.n_seeds
        if not belief.is_at_horizon or not 0 < n < max_seeds:
            continue
        learnt = SEED_SD * (belief.mean or 0.0) * math.sqrt(1 / n - 1 / (n + 1))
        gain = _expected_excess(_lead(contender, running), learnt)
        found.append(Option(contender, n, 0, contender.rungs[-1], gain))
    return found


def _lead(contender: Contender, running: Sequence[Contender]) -> float:
    """How far its mean lies from where the decision would change: the leader's, or its rival's."""
    others = [c.belief.mean or 0.0 for c in running if c is not contender]
    mean = contender.belief.mean or 0.0
    if not others or (mean >= max(others) and not contender.belief.is_at_horizon):
        return 0.0  # the leader is trained on: what it reaches is the measure of all others
    return -abs(mean - max(others))


def _expected_excess(lead: float, sd: float) -> float:
    """E[max(0, X)] for X ~ N(lead, sd^2): the knowledge gradient of learning it fully."""
    if sd <= 0:
        return 0.0
    z = lead / sd
    density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return sd * (density + z * 0.5 * math.erfc(-z / math.sqrt(2)))
