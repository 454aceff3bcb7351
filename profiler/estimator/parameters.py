"""The parameters of the classifier, checked at the door: all faults at once."""

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from profiler.losses import names

ADVISED = "advised"
CHOICES = {
    "encoder": ("linear", "mlp", "given"),
    "optimiser": ("adam", "adamw", "sgd", "adagrad"),
}
_AT_LEAST_ONE = ("embedding_dim", "hidden_units", "batch_size", "max_iter", "n_iter_no_change")


def check_parameters(given: Mapping[str, Any]) -> None:
    """Raises ValueError that names every parameter that is not usable, and what is allowed."""
    faults = [
        *_of_choices(given),
        *(
            f"{n}={given[n]!r}: a whole number from 1"
            for n in _AT_LEAST_ONE
            if not _counts(given[n])
        ),
        *_of_numbers(given),
    ]
    if faults:
        raise ValueError("; ".join(faults))


def _of_choices(given: Mapping[str, Any]) -> list[str]:
    choices = {**CHOICES, "loss": (*names(), ADVISED)}
    faults = [
        f"{name}={given[name]!r}: one of {', '.join(allowed)}"
        for name, allowed in choices.items()
        if given[name] not in allowed
    ]
    weight = given["class_weight"]
    if not (weight is None or weight == "balanced" or isinstance(weight, Mapping)):
        faults.append(f"class_weight={weight!r}: a dict by class, 'balanced' or None")
    return faults


def _of_numbers(given: Mapping[str, Any]) -> list[str]:
    def fault(name: str, allowed: str, is_allowed: bool) -> list[str]:
        return [] if is_allowed else [f"{name}={given[name]!r}: {allowed}"]

    rate, decay = given["learning_rate"], given["weight_decay"]
    share, rest = given["validation_fraction"], given["dropout"]
    return [
        *fault("learning_rate", "above 0, or None", rate is None or _above(rate, 0)),
        *fault("weight_decay", "from 0, or None", decay is None or decay == 0 or _above(decay, 0)),
        *fault("tol", "a number", isinstance(given["tol"], Real)),
        *fault("dropout", "from 0 to below 1", rest == 0 or (_above(rest, 0) and rest < 1)),
        *fault("validation_fraction", "between 0 and 1", _above(share, 0) and share < 1),
        *fault("budget_seconds", "above 0", _above(given["budget_seconds"], 0)),
    ]


def _counts(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


def _above(value: Any, bound: float) -> bool:
    return isinstance(value, Real) and math.isfinite(value) and float(value) > bound
