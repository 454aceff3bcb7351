"""The story of looking around in the catalogue: a loss, what it says of each metric, its source."""

from advisor.card import Consistency, KnownLoss
from advisor.catalogue import known_loss
from advisor.errors import NotFoundError, UnknownLossError
from advisor.task import METRICS, Metric
from profiler.losses import source_path

_K = 10


def loss(name: str) -> KnownLoss:
    """A loss of the catalogue; raises NotFoundError."""
    try:
        return known_loss(name)
    except UnknownLossError as error:
        raise NotFoundError(str(error)) from error


def source(name: str) -> str:
    """The text of a loss's layer; raises NotFoundError where there is none."""
    loss(name)
    try:
        return source_path(name).read_text(encoding="utf-8")
    except UnknownLossError as error:
        raise NotFoundError(str(error)) from error


def consistency(known: KnownLoss) -> dict[str, Consistency]:
    """What the card says for every kind of metric, at the loss's first settings."""
    settings = {setting.name: setting.choices[0] for setting in known.card.settings}
    metrics = [Metric(name=name, k=_K if kind.at_k else None) for name, kind in METRICS.items()]
    return {str(metric): known.consistency(metric, settings) for metric in metrics}
