"""The candidates of a task: every loss with its settings, in the order in which they are opened."""

import itertools
from collections.abc import Iterable, Sequence

from advisor.card import KnownLoss, LossCard, Setting, Settings
from advisor.catalogue import known_loss, known_losses
from advisor.errors import TaskInvalidError
from advisor.evidence import Candidate
from advisor.task import SettingValue, Task, TaskStatistics

# The cards' choices are for Adam; for another optimiser they are multiplied by these. Best NDCG@20
# in 20 epochs of ML-100K (validation, one seed, batches of 512), at the first weight decay:
#
#                        softmax   rg2  sampled_softmax
#   adam, first choice     .302  .300  .303
#   adamw, decay x 1e2     .292  .299  .290
#                x 1e3     .294  .299  .295
#                x 1e4     .297  .301  .292
#   sgd, rate 3 or less    .14   .14   .14   (8 epochs, no decay: it has not left the start)
#             10           .296  .290  .289
#             30           .274  .288  .263
#            100           .184  .227  .162  (8 epochs, no decay)
#   adagrad, rate .03      .270  .237  .276  (8 epochs)
#                 .1       .297  .295  .290
#                 .3       .280  .293  .270  (8 epochs)
#                1.0       .255  .273  .238  (8 epochs)
#
# Factors that made two optimisers try the same settings would mix their stored profiles: so 40.
OPTIMISER_FACTORS: dict[str, dict[str, float]] = {
    "adamw": {"weight_decay": 1e4},
    "sgd": {"learning_rate": 3e3},
    "adagrad": {"learning_rate": 40.0},
}


def candidates(task: Task, statistics: TaskStatistics) -> dict[str, tuple[Candidate, ...]]:
    """Per loss its candidates, best guess first; raises for unknown losses and settings."""
    return {
        name: _of_loss(task, statistics, known_loss(name)) for name in _selected(task, statistics)
    }


def ruled_out(candidate: Candidate, task: Task) -> str | None:
    """Why a card says, before anything is measured, that the task cannot have this; or None."""
    known, limits = known_loss(candidate.loss), task.constraints
    if not known.has_probabilities(candidate.settings):
        if limits.probabilities == "required":
            return "gives no probabilities, which the task requires"
        if task.parsed_metric.needs_probabilities:
            return f"gives no probabilities, which {task.metric} needs"
    if limits.inner_product_serving and not known.card.inner_product_serving:
        return "cannot be served by inner-product search, which the task requires"
    return None


def possible(
    task: Task, space: dict[str, tuple[Candidate, ...]]
) -> dict[str, tuple[Candidate, ...]]:
    """The space without what is ruled out; raises TaskInvalidError, with reasons, for none left."""
    found = {
        loss: left
        for loss, group in space.items()
        if (left := tuple(c for c in group if ruled_out(c, task) is None))
    }
    if not found:
        told = "; ".join(f"{loss} {ruled_out(group[0], task)}" for loss, group in space.items())
        raise TaskInvalidError(f"no loss is feasible: {told}")
    return found


def _selected(task: Task, statistics: TaskStatistics) -> list[str]:
    named = {*(task.losses.include or ()), *task.losses.exclude, *task.losses.settings}
    for name in named:
        known_loss(name)
    baseline, where = known_loss(task.baseline.loss).card, "baseline.settings"
    _check_names(baseline, task.baseline.settings, where)
    for setting in baseline.settings:
        if setting.name in task.baseline.settings:
            value = task.baseline.settings[setting.name]
            setting_here = _of_task(setting, task, statistics)
            _check_values(setting_here, (value,), f"{where}.{setting.name}")
    names = [n for n in task.losses.include or known_losses() if n not in task.losses.exclude]
    if not names:
        raise TaskInvalidError("losses: every loss is excluded; leave at least one")
    return sorted(names)


def _of_loss(task: Task, statistics: TaskStatistics, known: KnownLoss) -> tuple[Candidate, ...]:
    card = known.card
    changed = task.losses.settings.get(card.name, {})
    where = f"losses.settings.{card.name}"
    _check_names(card, changed, where)
    of_task = [_of_task(setting, task, statistics) for setting in card.settings]
    for setting in of_task:
        if setting.name in changed:
            _check_values(setting, changed[setting.name], f"{where}.{setting.name}")
    settings = [(s.name, _choices(s, changed.get(s.name, s.choices), statistics)) for s in of_task]
    # Distance from the best guess in steps of every choice list: near settings are opened first.
    ranks = sorted(
        itertools.product(*(range(len(choices)) for _, choices in settings)), key=_distance
    )
    found = [
        {name: choices[i] for (name, choices), i in zip(settings, rank, strict=True)}
        for rank in ranks
    ]
    kept = [s for s in found if known.refusal(s) is None]
    _check_kept(known, {n: values for n, values in settings if n in changed}, found, kept, where)
    _check_used(card, changed, kept, where)
    first = {s.name: _choices(s, s.choices[:1], statistics)[0] for s in of_task}
    every = [*_baseline(task, statistics, card.name, kept[0]), *kept]
    return tuple(dict.fromkeys(_candidate(card, settings, first) for settings in every))


def _check_used(
    card: LossCard,
    given: dict[str, tuple[SettingValue, ...]],
    kept: Sequence[Settings],
    where: str,
) -> None:
    """A setting that is given and changes nothing, whatever the others are, is refused."""
    for setting in card.settings:
        if setting.name in given and all(setting.is_idle(settings) for settings in kept):
            if set(given[setting.name]) <= set(setting.choices):
                continue  # what it stands at anyway
            needs = " and ".join(
                f"{name} {' or '.join(map(repr, values))}"
                for name, values in setting.only_with.items()
            )
            raise TaskInvalidError(f"{where}.{setting.name}: changes nothing without {needs}")


def _candidate(card: LossCard, settings: Settings, first: Settings) -> Candidate:
    """What changes nothing here stands at its first choice: one training is one candidate."""
    idle = {s.name: first[s.name] for s in card.settings if s.is_idle(settings)}
    return Candidate(loss=card.name, settings={**settings, **idle})


def _check_kept(
    known: KnownLoss,
    given: dict[str, tuple[SettingValue, ...]],
    found: Sequence[Settings],
    kept: Sequence[Settings],
    where: str,
) -> None:
    """Combinations without sense are left out of a grid; a value that has no other is refused."""
    for name, values in given.items():
        for value in values:
            if not any(s[name] == value for s in kept):
                first = next(s for s in found if s[name] == value)
                raise TaskInvalidError(f"{where}.{name}: {known.refusal(first)}")


def _baseline(task: Task, statistics: TaskStatistics, loss: str, first: Settings) -> list[Settings]:
    """What the user trains with today is opened first, so that the gain over it is measured."""
    baseline = task.baseline
    if baseline.loss != loss or not baseline.settings:
        return []
    given = {
        s.name: _choices(s, (baseline.settings[s.name],), statistics)[0]
        for s in known_loss(loss).card.settings
        if s.name in baseline.settings
    }
    settings = {**first, **given}
    if reason := known_loss(loss).refusal(settings):
        raise TaskInvalidError(f"baseline.settings: {reason}")
    return [settings]


def _check_names(card: LossCard, names: Iterable[str], where: str) -> None:
    known = [s.name for s in card.settings]
    if unknown := sorted(set(names) - set(known)):
        raise TaskInvalidError(
            f"{where}: unknown setting {unknown[0]!r}; allowed are {', '.join(known)}"
        )


def _of_task(setting: Setting, task: Task, statistics: TaskStatistics) -> Setting:
    """Counts of classes end at the classes that the task has; rates are of its optimiser."""
    if setting.at_most_classes:
        return setting.model_copy(update={"maximum": statistics.n_classes})
    factor = OPTIMISER_FACTORS.get(task.training.optimiser, {}).get(setting.name)
    if factor is None:
        return setting
    # Rounded, as a key must not depend on a product's last digit
    choices = tuple(float(f"{float(choice) * factor:.6g}") for choice in setting.choices)
    maximum = max(setting.maximum or 0, 100 * max(choices))
    return setting.model_copy(update={"choices": choices, "maximum": maximum})


def _check_values(setting: Setting, values: tuple[SettingValue, ...], where: str) -> None:
    if not values:
        raise TaskInvalidError(f"{where}: no value given; allowed are {_allowed(setting)}")
    for value in values:
        if not _takes(setting, value):
            raise TaskInvalidError(f"{where}: {value!r} given; allowed are {_allowed(setting)}")


def _takes(setting: Setting, value: SettingValue) -> bool:
    """Whether a value is of the setting's type, within its bounds and among what is allowed."""
    if setting.allowed is not None:
        return type(value) is type(setting.choices[0]) and value in setting.allowed
    if isinstance(setting.choices[0], bool | str):
        return type(value) is type(setting.choices[0])
    if isinstance(value, bool | str):
        return False
    if isinstance(setting.choices[0], int) and value != round(value):
        return False
    above = setting.minimum is None or value >= setting.minimum
    return above and (setting.maximum is None or value <= setting.maximum)


def _allowed(setting: Setting) -> str:
    if setting.allowed is not None:
        return ", ".join(str(value) for value in setting.allowed)
    words = {bool: "true or false", str: "names", int: "whole numbers", float: "numbers"}
    bounds = [
        f"{word} {bound:,.0f}" if float(bound).is_integer() else f"{word} {bound:g}"
        for word, bound in (("from", setting.minimum), ("to", setting.maximum))
        if bound is not None
    ]
    of_classes = ["classes"] if setting.at_most_classes else []
    return " ".join([words[type(setting.choices[0])], *bounds, *of_classes])


def _choices(
    setting: Setting, choices: tuple[SettingValue, ...], statistics: TaskStatistics
) -> tuple[SettingValue, ...]:
    """The values to try, each once; counts of classes are capped, whole and decimal agree."""
    if isinstance(setting.choices[0], int) and not isinstance(setting.choices[0], bool):
        whole = [int(c) for c in choices]
        if setting.at_most_classes:
            whole = [min(c, statistics.n_classes) for c in whole]
        return tuple(dict.fromkeys(whole))
    if isinstance(setting.choices[0], float):
        return tuple(dict.fromkeys(float(c) for c in choices))
    return tuple(dict.fromkeys(choices))


def _distance(rank: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    return sum(rank), rank
