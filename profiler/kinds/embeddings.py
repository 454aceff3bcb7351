"""Embeddings: hidden vectors that the user has computed, and their labels; the head is trained.

As `features`, but dense only, and the vectors stay as they are.
"""

from pathlib import Path

import numpy as np

from advisor.errors import DataInvalidError
from advisor.task import DataSource
from profiler.dataset import Reading
from profiler.kinds import features
from profiler.kinds.features import opened

__all__ = ["RULE_VERSION", "opened", "read"]

RULE_VERSION = features.RULE_VERSION


def read(source: DataSource, path: Path) -> Reading:
    """Dense rows with one class each; raises DataInvalidError for what cannot be used."""
    data = features.read_labelled(source, path, is_single=True)
    if not isinstance(data.x, np.ndarray):
        raise DataInvalidError(
            f"the features of {source.path!r} are sparse, hidden vectors are dense; "
            f"for sparse features or text say kind: features"
        )
    reading = features.prepared(source, data, is_single=True, is_scaled=False)
    return reading._replace(embedding_dim=data.x.shape[1])
