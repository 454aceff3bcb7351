"""Text: which token comes next; an example is a block of tokens, each of which is told.

Raw text is cut into a hundred stretches, of which every ten give eight for training, one for
validation and one for test; token ids may bring their own split. Blocks are of the length that the
encoder reads, one after the other; what is left at the end of a part is not used.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.errors import DataInvalidError
from advisor.task import DataSource, Model, TaskStatistics
from profiler import splits
from profiler.dataset import Csr, DataSize, Evaluation, Inputs, Part, Reading, Target, chosen_part
from profiler.readers import format_of
from profiler.readers.tokens import read_token_ids, read_tokens

RULE_VERSION = 1
_N_STRETCHES = 100


@dataclass(frozen=True)
class Text:
    """Memory-mapped token ids of the three parts, and the size C of the vocabulary."""

    train: NDArray[np.int32]
    validation: NDArray[np.int32]
    test: NDArray[np.int32]
    class_counts: NDArray[np.int64]
    block: int

    @property
    def n_classes(self) -> int:
        return len(self.class_counts)

    @property
    def targets_per_example(self) -> float:
        return float(self.block)

    @property
    def n_examples(self) -> int:
        return max(0, len(self.train) - 1) // self.block

    @property
    def size(self) -> DataSize:
        n_tokens = len(self.train) + len(self.validation) + len(self.test)
        return DataSize(n_tokens, None, self.n_examples * self.block)

    def training(self, examples: NDArray[np.int64]) -> tuple[Inputs, Target]:
        """Inputs: tokens[B, L], and the places in tokens[B * L] that are told: all of them."""
        return self._inputs(self.train, examples), self._next(self.train, examples)

    def evaluation(self, part: Part, n_max: int | None = None) -> Evaluation:
        """Each block gives L rows of hidden, one for each of its tokens."""
        tokens = self.validation if part == "validation" else self.test
        blocks = np.arange(max(0, len(tokens) - 1) // self.block)
        blocks = chosen_part(blocks, None if n_max is None else max(1, n_max // self.block))
        told = self._next(tokens, blocks)
        return Evaluation(
            blocks,
            lambda units: self._inputs(tokens, units),
            Csr(np.arange(len(told) + 1), told),
            rows_per_unit=self.block,
        )

    def _places(self, blocks: NDArray[np.int64]) -> NDArray[np.int64]:
        return blocks[:, None] * self.block + np.arange(self.block)

    def _inputs(self, tokens: NDArray[np.int32], blocks: NDArray[np.int64]) -> Inputs:
        return np.asarray(tokens[self._places(blocks)]), np.arange(len(blocks) * self.block)

    def _next(self, tokens: NDArray[np.int32], blocks: NDArray[np.int64]) -> NDArray[np.int32]:
        return np.asarray(tokens[self._places(blocks) + 1]).ravel()


def opened(arrays: dict[str, NDArray[Any]], model: Model) -> Text:
    """The dataset of these arrays, in blocks of what the encoder reads."""
    return Text(**arrays, block=model.sequence_length)


def read(source: DataSource, path: Path) -> Reading:
    """Tokens, split and counted; raises DataInvalidError for what cannot be used."""
    where = repr(source.path)
    if format_of(source) == "text":
        tokens, n_classes, notes = read_tokens(source, path, _is_training)
        parts = _stretches(len(tokens))
        notes.append("split: of every ten stretches of the text eight train, one validates")
    else:
        tokens, parts, n_classes, notes = read_token_ids(source, path)
        if parts is None:
            parts = _stretches(len(tokens))
            notes.append("split: of every ten stretches of the text eight train, one validates")
        else:
            notes.append("split as the file says")
    if n_classes < 2:
        raise DataInvalidError(f"{where} has one class only: the same token everywhere")
    names = ("train", "validation", "test")
    arrays: dict[str, NDArray[Any]] = {
        name: tokens[parts == part] for part, name in enumerate(names)
    }
    for name in names[:2]:
        if len(arrays[name]) < 2:
            raise DataInvalidError(f"{where} leaves no tokens for {name}")
    arrays["class_counts"] = np.bincount(arrays["train"], minlength=n_classes).astype(np.int64)
    statistics = TaskStatistics(
        n_rows=1,
        n_classes=n_classes,
        n_examples=len(arrays["train"]) - 1,
        class_gini=splits.gini(arrays["class_counts"]),
    )
    return Reading(arrays, statistics, notes)


def _stretches(n_tokens: int) -> NDArray[np.int8]:
    """The part of each token."""
    stretch = np.arange(n_tokens) * _N_STRETCHES // max(1, n_tokens)
    return np.select(
        [stretch % 10 == 4, stretch % 10 == 9], [splits.VALIDATION, splits.TEST], splits.TRAIN
    ).astype(np.int8)


def _is_training(n_tokens: int) -> NDArray[np.bool_]:
    return _stretches(n_tokens) == splits.TRAIN
