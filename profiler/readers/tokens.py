"""Text as token ids: raw text through a named tokenizer, or ids as they stand in a table."""

import gzip
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.errors import DataInvalidError
from advisor.task import DataSource
from profiler.readers.table import check_is_file, read_table

_WORD = re.compile(r"\w+|[^\w\s]|\n")
_RARE = 2  # a word that training names less often is unknown
_BPE_SIZE = 8192
Parts = Callable[[int], NDArray[np.bool_]]


def read_tokens(
    source: DataSource, path: Path, is_training: Parts
) -> tuple[NDArray[np.int32], int, list[str]]:
    """Token ids of raw text in running order, the vocabulary's size, and notes.

    The vocabulary is that of the training part, by falling frequency, the unknown word last.
    Raises DataInvalidError for what is not UTF-8 text.
    """
    where = repr(source.path)
    check_is_file(path, where)
    text = _text(path, where)
    if source.tokenizer == "bpe":
        return _byte_pairs(text, source.vocabulary_size or _BPE_SIZE, is_training)
    return _words(text, source.vocabulary_size, is_training)


def read_token_ids(
    source: DataSource, path: Path
) -> tuple[NDArray[np.int32], NDArray[np.int8] | None, int, list[str]]:
    """Ids of a table's `token` column in running order, their part if the file says, and notes."""
    frame, notes = read_table(source, path, ("token", "split"), ("token",))
    ids = frame["token"]
    if not ids.dtype.is_integer():
        raise DataInvalidError(f"the tokens of {source.path!r} are not whole numbers")
    tokens = ids.to_numpy()
    if tokens.min() < 0:
        raise DataInvalidError(f"{source.path!r} holds token {tokens.min()}; ids start at 0")
    n_classes = int(tokens.max()) + 1
    if n_classes > 10 * len(tokens):
        raise DataInvalidError(
            f"{source.path!r} holds token {n_classes - 1} among {len(tokens):,} tokens; "
            f"number them from 0 without gaps"
        )
    parts = frame["split"].to_numpy() if "split" in frame.columns else None
    return tokens.astype(np.int32), parts, n_classes, list(notes)


def _text(path: Path, where: str) -> str:
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    try:
        raw = gzip.decompress(path.read_bytes()) if is_gzip else path.read_bytes()
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataInvalidError(f"{where} is not UTF-8 text; save it as UTF-8") from error
    except (OSError, EOFError) as error:
        raise DataInvalidError(f"{where} could not be read: {error}") from error
    if "\0" in text:
        raise DataInvalidError(f"{where} is not text but binary")
    if not text.strip():
        raise DataInvalidError(f"{where} is empty")
    return text


def _words(
    text: str, size: int | None, is_training: Parts
) -> tuple[NDArray[np.int32], int, list[str]]:
    words = _WORD.findall(text.lower())
    training = is_training(len(words))
    counts = Counter(word for word, counted in zip(words, training, strict=True) if counted)
    kept = [w for w, n in counts.most_common(size and size - 1) if n >= _RARE]
    numbers = {word: i for i, word in enumerate(kept)}
    unknown = len(kept)
    tokens = np.fromiter((numbers.get(w, unknown) for w in words), np.int32, len(words))
    share = float((tokens == unknown).mean())
    note = (
        f"{len(words):,} lower-cased words and marks, {len(kept):,} known; "
        f"{share:.1%} are unknown: training names them less than {_RARE} times"
    )
    return tokens, unknown + 1, [note]


def _byte_pairs(
    text: str, size: int, is_training: Parts
) -> tuple[NDArray[np.int32], int, list[str]]:
    try:
        from tokenizers import ByteLevelBPETokenizer
    except ImportError as error:
        raise DataInvalidError(
            "tokenizer 'bpe' needs the package tokenizers: pip install 'softmax-advisor[bpe]'"
        ) from error

    lines = text.splitlines(keepends=True)
    training = is_training(len(lines))
    tokenizer: Any = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(
        (line for line, counted in zip(lines, training, strict=True) if counted),
        vocab_size=max(size, 257),
        show_progress=False,
    )
    encoded = tokenizer.encode_batch(lines)
    tokens = np.concatenate([np.asarray(e.ids, dtype=np.int32) for e in encoded])
    n_classes = int(tokenizer.get_vocab_size())
    return tokens, n_classes, [f"{len(tokens):,} byte pairs, {n_classes:,} known"]
