"""Optuna: a recommendation as search space, first trials and directions; our forecast as a pruner.

Needs the extra `optuna`. Parameters are `loss`, and `LOSS.SETTING` for each setting that varies.
"""

import optuna
from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from advisor.automl.chance import Progress, chance_of_best
from advisor.automl.outlook import Blind, Outlook
from advisor.automl.space import Choice, Range, parameter, points, spaces
from advisor.card import Settings
from advisor.catalogue import known_loss
from advisor.evidence import Candidate
from advisor.recommendation import Recommendation
from advisor.task import Metric

LOSS = "loss"
_HAS_CURVE = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


def suggest(trial: Trial, recommendation: Recommendation) -> Candidate:
    """A loss and its settings, learning rate and weight decay among them, from the trial.

    Settings that make no sense together raise optuna.TrialPruned, with the reason.
    """
    of_loss = spaces(recommendation)
    loss = trial.suggest_categorical(LOSS, sorted(of_loss))
    space = of_loss[loss]
    settings: Settings = dict(space.fixed)
    for name, dimension in space.varied.items():
        settings[name] = _suggested(trial, parameter(loss, name), dimension)
    if reason := known_loss(loss).refusal(settings):
        raise optuna.TrialPruned(reason)
    return Candidate(loss=loss, settings=settings)


def enqueue(
    study: Study,
    recommendation: Recommendation,
    n: int | None = None,
    outlook: Outlook | None = None,
) -> None:
    """Have the study begin with what is recommended, then the other losses at their best settings.

    With an outlook on stored curves go on with all settings instead, by what is expected of them.
    At most the first `n`; what the study has tried is not tried again.
    """
    of_loss = spaces(recommendation)
    first = points(recommendation) if outlook is None else outlook.first()
    for candidate in first[:n]:
        varied = of_loss[candidate.loss].varied
        parameters = {parameter(candidate.loss, s): candidate.settings[s] for s in varied}
        study.enqueue_trial({LOSS: candidate.loss, **parameters}, skip_if_exists=True)


def directions(recommendation: Recommendation) -> dict[str, StudyDirection]:
    """The objectives of the task and where each should go, for `create_study(directions=...)`.

    The metric first; then training seconds and peak bytes, as far as the task's trade prices them.
    """
    task, down = recommendation.task, StudyDirection.MINIMIZE
    trade = {"train_seconds": task.trade.speed, "peak_bytes": task.trade.memory}
    of_metric = down if task.parsed_metric.falls else StudyDirection.MAXIMIZE
    return {task.metric: of_metric, **{name: down for name, price in trade.items() if price > 0}}


class HorizonPruner(BasePruner):
    """Ends a trial whose chance to be the best at the horizon has fallen to a small share of what
    it was before the trial had told anything.

    The chance is that of our forecast, from the values that the study's storage holds of all its
    trials, pruned and running ones too. It is asked at every report, whose `step` counts examples
    or epochs done, from 1; `horizon_steps` is that count at the end of a full training. `metric` is
    one of ours, as "ndcg@20": the forecast is of curves between 0 and 1. `least_chance` is that
    share, and, as far as the forecast is right, the most of the trials that would win that are
    ended. With an `outlook` it knows how such settings usually go, as slow beginners that win.
    """

    def __init__(
        self,
        horizon_steps: float,
        metric: str,
        least_chance: float = 0.1,
        outlook: Outlook | None = None,
    ) -> None:
        if not horizon_steps > 0:
            raise ValueError(f"horizon_steps={horizon_steps}; it must be above 0")
        if not 0 <= least_chance < 1:
            raise ValueError(f"least_chance={least_chance}; allowed are 0 to below 1")
        self._horizon_steps, self._least_chance = horizon_steps, least_chance
        self._metric = Metric.parse(metric)
        self._outlook = outlook or Blind()
        self._at_first: dict[int, float] = {}

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether to end it; raises ValueError where the study's direction is not the metric's."""
        if (study.direction == StudyDirection.MINIMIZE) != self._metric.falls:
            towards = "minimize" if self._metric.falls else "maximize"
            raise ValueError(f"the study must {towards} {self._metric}")
        others = [
            _progress(other)
            for other in study.get_trials(deepcopy=False, states=_HAS_CURVE)
            if other.number != trial.number
        ]
        mine = _progress(trial)
        if trial.number not in self._at_first:
            self._at_first[trial.number] = self._chance(Progress(mine.candidate, {}), others)
        return self._chance(mine, others) < self._least_chance * self._at_first[trial.number]

    def _chance(self, trial: Progress, others: list[Progress]) -> float:
        return chance_of_best(trial, others, self._metric, self._horizon_steps, self._outlook)


def _progress(trial: FrozenTrial) -> Progress:
    """Its settings are those that vary: all others are the same for every trial of its loss."""
    loss = str(trial.params.get(LOSS, ""))
    own = parameter(loss, "")
    settings = {k.removeprefix(own): v for k, v in trial.params.items() if k.startswith(own)}
    return Progress(Candidate(loss=loss, settings=settings), trial.intermediate_values)


def _suggested(trial: Trial, name: str, dimension: Range | Choice) -> bool | int | float | str:
    if isinstance(dimension, Choice):
        chosen = trial.suggest_categorical(name, dimension.values)
        return next(value for value in dimension.values if value == chosen)
    if dimension.is_whole:
        return trial.suggest_int(name, int(dimension.low), int(dimension.high), log=True)
    return trial.suggest_float(name, dimension.low, dimension.high, log=True)
