"""Multilabel: as `features`, with several classes a row; a row is an example with all of them."""

from pathlib import Path

from advisor.task import DataSource
from profiler.dataset import Reading
from profiler.kinds import features
from profiler.kinds.features import opened

__all__ = ["RULE_VERSION", "opened", "read"]

RULE_VERSION = features.RULE_VERSION


def read(source: DataSource, path: Path) -> Reading:
    """Rows with any number of classes; raises DataInvalidError for what cannot be used."""
    data = features.read_labelled(source, path, is_single=False)
    return features.prepared(source, data, is_single=False)
