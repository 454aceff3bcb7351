"""The catalogue lists the folder `advisor/losses`: no list to edit, a wrong file fails at once."""

import importlib
import pkgutil
from functools import cache
from types import ModuleType

import advisor.losses
from advisor.card import Consistency, KnownLoss, LossCard, Settings
from advisor.errors import UnknownLossError
from advisor.task import Metric


@cache
def known_losses() -> dict[str, KnownLoss]:
    """Every loss of the catalogue by name, sorted; raises TypeError where a file is not a card."""
    found: dict[str, KnownLoss] = {}
    for name in sorted(m.name for m in pkgutil.iter_modules(advisor.losses.__path__)):
        module = importlib.import_module(f"advisor.losses.{name}")
        card = getattr(module, "CARD", None)
        if not isinstance(card, LossCard) or card.name != name:
            raise TypeError(f"advisor/losses/{name}.py must define CARD with name={name!r}")
        found[name] = _known(card, module)
    return found


def _known(card: LossCard, module: ModuleType) -> KnownLoss:
    def as_the_card_says(_: Settings) -> bool:
        return card.has_probabilities

    def never(_: Settings) -> None:
        return None

    has_probabilities = getattr(module, "has_probabilities", as_the_card_says)

    def consistency(metric: Metric, settings: Settings) -> Consistency:
        if metric.is_by_order:
            found: Consistency = module.consistency(metric, settings)
            return found
        if metric.needs_probabilities and has_probabilities(settings):
            found = module.likelihood(settings)
            return found
        reason = f"theory says nothing about {card.name} and {metric}"
        if metric.needs_probabilities:
            reason = f"{card.name} gives no probabilities, which {metric} needs"
        return Consistency(status="unknown", reason=reason, source="theory notes 4")

    return KnownLoss(
        card,
        consistency,
        module.step_flop,
        module.step_bytes,
        has_probabilities,
        getattr(module, "refusal", never),
    )


def known_loss(name: str) -> KnownLoss:
    """One loss by name; raises UnknownLossError that lists the names there are."""
    losses = known_losses()
    if name not in losses:
        raise UnknownLossError(f"unknown loss {name!r}; known are {', '.join(losses)}")
    return losses[name]


def catalogue() -> dict[str, LossCard]:
    """The cards of all losses by name."""
    return {name: loss.card for name, loss in known_losses().items()}
