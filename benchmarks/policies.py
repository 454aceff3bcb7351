"""Policies that choose a candidate of a world within a budget: ours, and those it has to beat.

A policy trains through a purse, which reads the stored curves and charges training, evaluation and
the start of a child; what it has trained it never pays again. Policies that are not ours choose the
candidate with the best score they have seen, on validation, as one would.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import optuna

from advisor.belief import Belief, beliefs
from advisor.curve import checkpoints
from advisor.decision import Decision, decide, draws_of
from advisor.evidence import Candidate
from advisor.pace import START_SECONDS
from advisor.prior import Bank
from advisor.race import Race
from benchmarks.stored import probes
from benchmarks.world import World

_SH_FRACTIONS = (1 / 64, 1 / 16, 1 / 4, 1.0)
_REDUCTION = 4


@dataclass(frozen=True)
class Choice:
    """What a policy chose; ours also says how sure it is."""

    candidate: Candidate
    decision: Decision | None = None
    believed: Sequence[Belief] = ()
    n_asked: int = 0
    policy_seconds: float = 0.0


class OutOfBudgetError(Exception):
    """The purse is empty."""


@dataclass
class Purse:
    """Seconds to train with in a world."""

    world: World
    seconds_left: float
    running: str = ""
    reached: dict[str, int] = field(default_factory=dict[str, int])
    shown: dict[str, float] = field(default_factory=dict[str, float])
    candidates: dict[str, Candidate] = field(default_factory=dict[str, Candidate])

    def train(self, candidate: Candidate, until: float) -> float:
        """Best score after `until` examples; raises OutOfBudgetError if it cannot be paid."""
        world, start = self.world, self.reached.get(candidate.key, 0)
        if until > start:
            points = checkpoints(world.horizon, world.batch_size)
            passed = [p for p in points if start < p <= until] or [int(until)]
            price = world.seconds(candidate.loss, start, until, len(passed))
            if self.running == candidate.key:
                price -= START_SECONDS
            if price > self.seconds_left:
                raise OutOfBudgetError
            self.seconds_left -= price
            self.running = candidate.key
            self.reached[candidate.key] = int(until)
            self.candidates[candidate.key] = candidate
            best = max(world.score(candidate, p) for p in passed)
            self.shown[candidate.key] = max(self.shown.get(candidate.key, 0.0), best)
        return self.shown[candidate.key]

    def best(self) -> Choice:
        """The candidate with the best score seen; the first of softmax where none was."""
        if not self.shown:
            return Choice(_default(self.world))
        return Choice(self.candidates[max(self.shown, key=lambda key: self.shown[key])])


Policy = Callable[[World, float, Bank], Choice]


def ours(world: World, budget_seconds: float, bank: Bank) -> Choice:
    """The race, its own seconds charged, and the decision."""
    costs = probes(world.costs, world.candidates)
    started = time.process_time()
    race = Race(world.prepared(), world.space, costs, budget_seconds=budget_seconds, bank=bank)
    left, n_asked, spent = budget_seconds, 0, time.process_time() - started
    while True:
        started = time.process_time()
        leg = race.ask(left)
        spent += (took := time.process_time() - started)
        left -= took
        if leg is None:
            break
        report = world.report(leg)
        race.tell(report)
        left -= report.wall_seconds
        n_asked += 1
    own, device = race.profiles(), world.prepared().device
    believed = beliefs(world.task, world.statistics, world.space, own, (), device, costs, bank)
    decision = decide(believed, draws_of(believed), world.task.trade)
    chosen = decision.entries[0].belief.candidate
    return Choice(chosen, decision, believed, n_asked, spent)


def ours_without_prior(world: World, budget_seconds: float, bank: Bank) -> Choice:
    """The same race where nothing is stored."""
    return ours(world, budget_seconds, Bank())


def prior_alone(world: World, budget_seconds: float, bank: Bank) -> Choice:
    """What stored tasks say, nothing trained."""
    return ours(world, 0.0, bank)


def softmax_only(world: World, budget_seconds: float, bank: Bank) -> Choice:
    """Successive halving over the settings of softmax: the rival to beat."""
    return _halving(world, budget_seconds, list(world.space["softmax"]))


def softmax_default(world: World, budget_seconds: float, bank: Bank) -> Choice:
    """Softmax as its card begins, untuned."""
    return Choice(_default(world))


def equal_time(world: World, budget_seconds: float, bank: Bank) -> Choice:
    """The same seconds for every candidate."""
    purse = Purse(world, budget_seconds)
    share = budget_seconds / len(world.candidates)
    for candidate in _shuffled(world):
        points = checkpoints(world.horizon, world.batch_size)
        paid = [
            p for i, p in enumerate(points) if world.seconds(candidate.loss, 0, p, i + 1) <= share
        ]
        if paid:
            purse.train(candidate, paid[-1])
    return purse.best()


def one_epoch(world: World, budget_seconds: float, bank: Bank) -> Choice:
    """One epoch of as many candidates as the budget bears, in random order."""
    purse = Purse(world, budget_seconds)
    until = min(world.horizon, world.statistics.n_examples)
    return _in_order(purse, _shuffled(world), until)


def random(world: World, budget_seconds: float, bank: Bank) -> Choice:
    """Full runs of random candidates."""
    return _in_order(Purse(world, budget_seconds), _shuffled(world), world.horizon)


def full_grid(world: World, budget_seconds: float, bank: Bank) -> Choice:
    """The grid's own validation pick, whatever it costs: the floor."""
    return _in_order(Purse(world, np.inf), world.candidates, world.horizon)


def oracle(world: World, budget_seconds: float, bank: Bank) -> Choice:
    """Who knows the truth on test."""
    best = max(world.true_test, key=lambda key: world.true_test[key])
    return Choice(next(c for c in world.candidates if c.key == best))


def optuna_policy(sampler: str, pruner: str) -> Policy:
    """Optuna over the same candidates, through the same purse."""

    def policy(world: World, budget_seconds: float, bank: Bank) -> Choice:
        purse = Purse(world, budget_seconds)
        points = checkpoints(world.horizon, world.batch_size)
        samplers = {
            "random": optuna.samplers.RandomSampler(seed=world.seed),
            "tpe": optuna.samplers.TPESampler(seed=world.seed),
        }
        pruners = {
            "halving": optuna.pruners.SuccessiveHalvingPruner(),
            "hyperband": optuna.pruners.HyperbandPruner(max_resource=len(points)),
        }
        study = optuna.create_study(
            direction="maximize", sampler=samplers[sampler], pruner=pruners[pruner]
        )

        def objective(trial: optuna.Trial) -> float:
            loss = trial.suggest_categorical("loss", sorted(world.space))
            group = world.space[loss]
            index = trial.suggest_categorical(f"setting of {loss}", range(len(group)))
            best = 0.0
            for step, point in enumerate(points, start=1):
                best = purse.train(group[index], point)
                trial.report(best, step)
                if trial.should_prune():
                    raise optuna.TrialPruned
            return best

        for _ in range(4 * len(world.candidates)):
            try:
                study.optimize(objective, n_trials=1, catch=())
            except OutOfBudgetError:
                break
        return purse.best()

    return policy


def policies() -> dict[str, Policy]:
    """All of them by name."""
    from_optuna = {
        f"optuna {pruner}, {sampler}": optuna_policy(sampler, pruner)
        for pruner in ("halving", "hyperband")
        for sampler in ("random", "tpe")
    }
    own = (ours, ours_without_prior, prior_alone, softmax_only, softmax_default)
    simple = (equal_time, one_epoch, random, full_grid, oracle)
    return {
        **{p.__name__: p for p in own},
        **from_optuna,
        **{p.__name__: p for p in simple},
    }


def _halving(world: World, budget_seconds: float, candidates: list[Candidate]) -> Choice:
    """Every rung keeps a quarter; the budget is spent as far as it goes."""
    purse, left = Purse(world, budget_seconds), candidates
    try:
        for fraction in _SH_FRACTIONS:
            until = max(world.batch_size, fraction * world.horizon)
            scores = {c.key: purse.train(c, until) for c in left}
            keep = max(1, len(left) // _REDUCTION if fraction < 1 / 4 else 1)
            left = sorted(left, key=lambda c: -scores[c.key])[:keep]
        for candidate in sorted(candidates, key=lambda c: -purse.shown[c.key]):
            purse.train(candidate, world.horizon)  # with what is left, the next best ones
    except OutOfBudgetError:
        pass
    return purse.best()


def _in_order(
    purse: Purse, candidates: Iterator[Candidate] | list[Candidate], until: float
) -> Choice:
    try:
        for candidate in candidates:
            purse.train(candidate, until)
    except OutOfBudgetError:
        pass
    return purse.best()


def _shuffled(world: World) -> list[Candidate]:
    order = np.random.default_rng(1000 + world.seed).permutation(len(world.candidates))
    return [world.candidates[i] for i in order]


def _default(world: World) -> Candidate:
    return world.space["softmax"][0]
