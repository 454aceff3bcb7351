"""Ray Tune: a recommendation as a parameter space and as points to evaluate first.

Needs the extra `ray`. A config has `loss` and `LOSS.SETTING` for each setting that varies, of every
loss; `chosen` takes from it what its loss needs.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from advisor.automl.space import Choice, Range, parameter, points, spaces
from advisor.evidence import Candidate
from advisor.recommendation import Recommendation

LOSS = "loss"


def search_space(recommendation: Recommendation) -> dict[str, Any]:
    """For `ray.tune.Tuner(param_space=...)`."""
    tune: Any = importlib.import_module("ray.tune")
    of_loss = spaces(recommendation)
    return {
        LOSS: tune.choice(sorted(of_loss)),
        **{
            parameter(loss, setting): _domain(tune, dimension)
            for loss, space in of_loss.items()
            for setting, dimension in space.varied.items()
        },
    }


def points_to_evaluate(
    recommendation: Recommendation, n: int | None = None
) -> list[dict[str, Any]]:
    """For a searcher's argument of that name: the recommended loss first, then the others.

    At most the first `n`. What a point's loss does not need is as its own loss begins.
    """
    begin = {
        parameter(loss, setting): space.first[setting]
        for loss, space in spaces(recommendation).items()
        for setting in space.varied
    }
    found: list[dict[str, Any]] = []
    for candidate in points(recommendation)[:n]:
        own = {parameter(candidate.loss, s): v for s, v in candidate.settings.items()}
        known = {name: own.get(name, value) for name, value in begin.items()}
        found.append({LOSS: candidate.loss, **known})
    return found


def chosen(config: Mapping[str, Any], recommendation: Recommendation) -> Candidate:
    """The loss of a config with all its settings, learning rate and weight decay among them."""
    space = spaces(recommendation)[str(config[LOSS])]
    varied = {setting: config[parameter(space.loss, setting)] for setting in space.varied}
    return Candidate(loss=space.loss, settings={**space.fixed, **varied})


def _domain(tune: Any, dimension: Range | Choice) -> Any:
    if isinstance(dimension, Choice):
        return tune.choice(list(dimension.values))
    if dimension.is_whole:  # Ray leaves the upper bound out
        return tune.lograndint(int(dimension.low), int(dimension.high) + 1)
    return tune.loguniform(dimension.low, dimension.high)
