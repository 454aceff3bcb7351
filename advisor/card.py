"""LossCard: what theory says of a loss, each claim with its status, its source and its check."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from advisor.task import Metric, SettingValue
from advisor.value import Value

ConsistencyStatus = Literal["consistent", "conditional", "inconsistent", "unknown"]


class Consistency(Value):
    """Whether the loss's minimiser ranks as the metric wants; a prior, never a veto."""

    status: ConsistencyStatus
    reason: str
    source: str


ClaimTopic = Literal[
    "minimiser",
    "order",
    "probabilities",
    "regret",
    "smoothness",
    "margin",
    "gradient bias",
    "gradient variance",
    "support",
    "normalisation",
    "inference",
    "equality",
    "cost",
]


class Claim(Value):
    """One statement of theory; `check` names the test that verifies it, or is None and says why."""

    topic: ClaimTopic
    statement: str
    status: Literal["proved", "measured", "reported", "assumed"]
    condition: str
    source: str
    check: str | None
    unchecked_because: str | None = None


class Setting(Value):
    """A setting of a loss: what is tried, and where to start.

    `choices` are in the order in which they are opened; the first is the best guess without data.
    `minimum`, `maximum` (both inclusive) and `allowed` bound what a task may put in their place.
    With another value of the settings that `only_with` names it changes nothing, and is not varied.
    """

    name: str
    choices: tuple[SettingValue, ...] = Field(min_length=1)
    changes_cost: bool = Field(default=False, description="probed apart when it differs")
    at_most_classes: bool = Field(default=False, description="a count of classes: capped by C")
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[SettingValue, ...] | None = None
    only_with: dict[str, tuple[SettingValue, ...]] = Field(default={})
    description: str

    def is_idle(self, settings: "Settings") -> bool:
        """Whether it changes nothing beside these settings."""
        return any(settings[name] not in values for name, values in self.only_with.items())


class LossCard(Value):
    """What is known of a loss before anything is measured."""

    name: str
    title: str
    family: Literal["exact", "sampled", "factorised"]
    formula: str
    minimiser: str
    smoothness: str
    gradient_bias: str
    gradient_variance: str
    step_cost: str
    has_probabilities: bool = Field(description="at the first choice of every setting")
    inner_product_serving: bool
    settings: tuple[Setting, ...]
    claims: tuple[Claim, ...]
    sources: tuple[str, ...]


class StepShape(Value):
    """The size of one training step: B rows, C classes, D features."""

    batch_size: int
    n_classes: int
    embedding_dim: int


Settings = dict[str, SettingValue]


@dataclass(frozen=True)
class KnownLoss:
    """A card with its formulas, as found in `advisor/losses/<name>.py`.

    consistency(metric, settings) -> Consistency; step_flop(shape, settings) -> flop of one
    training step of the output layer; step_bytes(shape, settings) -> bytes of parameters,
    gradients, optimiser state and buffers of the output layer.

    A file's own consistency(metric, settings) is of metrics that are best for the order of p;
    likelihood(settings) of those that need probabilities, where the loss has them. It may further
    define has_probabilities(settings) -> bool, where that depends on them, and refusal(settings)
    -> why settings make no sense together, or None.
    """

    card: LossCard
    consistency: Callable[[Metric, Settings], Consistency]
    step_flop: Callable[[StepShape, Settings], float]
    step_bytes: Callable[[StepShape, Settings], float]
    has_probabilities: Callable[[Settings], bool]
    refusal: Callable[[Settings], str | None]
