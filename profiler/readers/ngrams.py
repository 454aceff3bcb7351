"""Text as sparse features, hashed by scikit-learn, each text a vector of length 1.

Words: single ones. Characters: runs of one to four within words and their borders. By trial: pairs
of words are many, fill the columns several times over, and tell no more.
"""

from typing import TYPE_CHECKING, Any

from advisor.task import DataSource
from profiler.readers.labelled import CsrMatrix

if TYPE_CHECKING:
    import polars as pl

_WORDS: dict[str, Any] = {"analyzer": "word", "token_pattern": r"(?u)\b\w+\b"}
_CHARACTERS: dict[str, Any] = {"analyzer": "char_wb", "ngram_range": (1, 4)}


def hashed_ngrams(texts: "pl.Series", source: DataSource) -> tuple[CsrMatrix, str]:
    """Float32 CSR [N, hash_size], and a note; a missing text has no features."""
    import numpy as np
    import polars as pl
    from sklearn.feature_extraction.text import HashingVectorizer

    how = _WORDS if source.ngrams == "words" else _CHARACTERS
    single: Any = np.float32  # its types know float64 only
    hashing = HashingVectorizer(n_features=source.hash_size, dtype=single, **how)
    x: CsrMatrix = hashing.transform(texts.cast(pl.String).fill_null("").to_list())
    x.eliminate_zeros()
    empty = int((np.diff(x.indptr) == 0).sum())
    what = "words" if source.ngrams == "words" else "1 to 4 characters of a word"
    note = f"features are {what}, hashed into {source.hash_size:,} columns"
    return x, note + (f"; texts without any: {empty:,}" if empty else "")
