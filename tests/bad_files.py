"""What real people give by mistake, one file each, by kind of task: and what they are told."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl


@dataclass(frozen=True)
class Bad:
    """A file that cannot be used as a task of a kind, and what the one sentence holds."""

    kind: str
    file: str
    content: bytes
    says: str
    data: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> dict[str, Any]:
        """Write the file; returns a task's `kind` and `data`."""
        (folder / self.file).write_bytes(self.content)
        return {"kind": self.kind, "data": {"path": self.file, **self.data}}


def _csv(header: str, row: Callable[[int], str], n_rows: int = 60) -> bytes:
    return "\n".join([header, *map(row, range(n_rows)), ""]).encode()


def _npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    pl.DataFrame(columns, strict=False).write_parquet(file)
    return file.getvalue()


X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
Y = np.arange(60) % 5
LABELS = np.eye(5, dtype=np.int8)[Y]
WITH_NAN = np.where(np.arange(240).reshape(60, 4) == 70, np.nan, X)
SEMICOLONS = "if it is separated by semicolons, save it with commas"
NO_HEADER = "if these are its first row, put a header above it"
RAGGED = "is ragged: line 62 has 4 fields, the header "
NOT_UTF8 = "is not UTF-8 text; save it as UTF-8"


def _events(kind: str) -> dict[str, Bad]:
    """Of users, items and times."""
    header = "user,item,time"
    good = _csv(header, lambda n: f"u{n % 6},i{n % 10},{n}")
    one_each = _csv(header, lambda n: f"u{n},i{n},{n}")
    same_column = {"columns": {"user": "item", "item": "item"}}
    bad = {
        "wrong separator": (good.replace(b",", b";"), SEMICOLONS),
        "header missing": (good.split(b"\n", 1)[1], NO_HEADER),
        "one class": (_csv(header, lambda n: f"u{n % 6},i,{n}"), "has one class only: the item is"),
        "empty validation split": (one_each, "leaves no validation rows: no user has "),
        "ragged rows": (good + b"u1,i1,60,1\n", f"{RAGGED}3"),
        "wrong encoding": (good + "u1,caf\xe9,60\n".encode("latin-1"), NOT_UTF8),
        "user column equal to item column": (good, "user and item are both mapped to the column "),
    }
    cases = {what: Bad(kind, "events.csv", *case) for what, case in bad.items()}
    equal = cases["user column equal to item column"]
    return {**cases, "user column equal to item column": replace(equal, data=same_column)}


def _tokens() -> dict[str, Bad]:
    good = _csv("token,split", lambda n: f"{n % 5},{n % 3}", 120)
    bad = {
        "wrong separator": (good.replace(b",", b";"), SEMICOLONS),
        "header missing": (good.split(b"\n", 1)[1], "must name its columns, but it holds '0', '0'"),
        "one class": (_csv("token,split", lambda n: f"0,{n % 3}"), "has one class only: the same"),
        "target out of range": (good + b"-7,0\n", "holds token -7; ids start at 0"),
        "empty validation split": (_csv("token,split", lambda n: f"{n % 5},0"), "leaves no tokens"),
        "ragged rows": (good + b"1,2,3,4\n", "is ragged: line 122 has 4 fields, the header 2"),
    }
    split = {"columns": {"split": "split"}}
    raw = "le caf\xe9 et le th\xe9\n".encode("latin-1") * 99
    return {
        **{what: Bad("text", "tokens.csv", *case, split) for what, case in bad.items()},
        "wrong encoding": Bad("text", "words.txt", raw, NOT_UTF8),
        "one class of words": Bad("text", "words.txt", b"one two three four", "has one class only"),
    }


def _table(kind: str) -> dict[str, Bad]:
    """Of numbers and a label."""
    header = "a,b,label"
    good = _csv(header, lambda n: f"{n},{n * n},x{n % 5}")
    part = _csv(f"{header},split", lambda n: f"{n},{n * n},x{n % 5},{2 * (n % 2)}", 4)
    bad = {
        "wrong separator": (good.replace(b",", b";"), SEMICOLONS),
        "header missing": (
            good.split(b"\n", 1)[1],
            "must name its columns, but it holds '0', '0', 'x0'",
        ),
        "one class": (_csv(header, lambda n: f"{n},1,x"), "has one class only"),
        "empty validation split": (part, "leaves no row to validate on"),
        "nan features": (good + b"1,NaN,x1\n", "column 'b' of 'rows.csv' is missing or nan in row"),
        "ragged rows": (good + b"1,2,x1,4\n", f"{RAGGED}3"),
        "wrong encoding": (good + "1,2,caf\xe9\n".encode("latin-1"), NOT_UTF8),
        "label column equal to text column": (good, "label and text are both mapped to the column"),
    }
    options = {
        "empty validation split": {"columns": {"split": "split"}},
        "label column equal to text column": {"columns": {"label": "label", "text": "label"}},
    }
    return {what: Bad(kind, "rows.csv", *case, options.get(what, {})) for what, case in bad.items()}


def _arrays(kind: str) -> dict[str, Bad]:
    """Of numpy's arrays."""
    y = LABELS if kind == "multilabel" else Y
    out_of_range = {
        "features": _npz(X=X, y=np.where(Y == 3, -1, Y)),
        "embeddings": _npz(X=X, y=np.where(Y == 3, -1, Y)),
        "multilabel": _npz(
            X=X, Y_indptr=np.arange(61), Y_indices=np.where(Y == 3, 9, Y), Y_shape=[60, 5]
        ),
    }[kind]
    told = {"multilabel": "are no CSR matrix"}.get(kind, "has the label -1; number the classes")
    one = np.ones((60, 1), np.int8) if kind == "multilabel" else np.zeros(60, int)
    unsplit = _npz(X=X[:5], y=y[:5], split=[0, 0, 0, 2, 2])
    bad = {
        "arrays: one class": (_npz(X=X, y=one), "has one class only"),
        "arrays: target out of range": (out_of_range, told),
        "arrays: empty validation split": (unsplit, "leaves no row to validate on"),
        "arrays: nan features": (_npz(X=WITH_NAN, y=y), "feature 2 of 'x.npz' is missing or nan"),
    }
    return {what: Bad(kind, "x.npz", *case) for what, case in bad.items()}


def _vectors() -> dict[str, Bad]:
    labels = [f"x{n % 3}" for n in range(30)]
    ragged = [[1.0, 2.0]] * 29 + [[3.0]]
    return {
        "ragged rows": Bad(
            "embeddings", "v.parquet", _parquet(vector=ragged, label=labels), "is ragged: row 29"
        )
    }


_LINES = b"".join(b"%d %d:1\n" % (n % 5, n % 7) for n in range(60))
_SVMLIGHT = {
    "svmlight: header missing": (b"60 8\n" + _LINES, "line 1 of 'x.svm' "),
    "svmlight: target out of range": (_LINES + b"-1 0:1\n", "has the label -1; number the classes"),
    "svmlight: nan features": (_LINES + b"1 0:nan\n", "feature 0 of 'x.svm' is missing or nan"),
    "svmlight: ragged rows": (_LINES + b"1 0\n", "line 61 of 'x.svm' is no 'label feature:value"),
    "svmlight: wrong encoding": (_LINES + b"1 0:\xe9\n", NOT_UTF8),
}

BAD_FILES: dict[str, Bad] = {
    **{f"interactions, {what}": bad for what, bad in _events("interactions").items()},
    **{f"sequences, {what}": bad for what, bad in _events("sequences").items()},
    **{f"text, {what}": bad for what, bad in _tokens().items()},
    **{f"features, {what}": bad for what, bad in _table("features").items()},
    **{f"features, {what}": bad for what, bad in _arrays("features").items()},
    **{f"multilabel, {what}": bad for what, bad in _arrays("multilabel").items()},
    **{f"multilabel, {what}": Bad("multilabel", "x.svm", *bad) for what, bad in _SVMLIGHT.items()},
    **{f"embeddings, {what}": bad for what, bad in _arrays("embeddings").items()},
    **{f"embeddings, {what}": bad for what, bad in _vectors().items()},
}
