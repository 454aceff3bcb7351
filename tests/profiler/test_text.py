"""Text: tokens, parts, blocks; and a whole leg on it, falling perplexity and all."""

import gzip
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from advisor.errors import DataInvalidError
from advisor.evidence import Candidate, Leg, Trial
from advisor.search_space import candidates
from advisor.task import DataSource, Horizon, Model, Task, Training
from profiler.dataset import open_dataset, prepare_dataset
from profiler.kinds.text import Text
from profiler.leg import run_leg
from profiler.messages import LegEnd
from profiler.prepare import prepare
from profiler.workspace import Workspace


def opened(path: Path, length: int = 5, **source: object) -> tuple[Text, tuple[str, ...]]:
    asked = DataSource.model_validate({"path": str(path), **source})
    model = Model(sequence_length=length)
    data = prepare_dataset(asked, str(path.parent / "cache"), "text", model)
    found = open_dataset(data.dataset_dir, model)
    assert isinstance(found, Text)
    return found, data.notes


def songs(n: int = 4000, seed: int = 0) -> str:
    """Words that follow one another by rule most of the time."""
    generator = np.random.default_rng(seed)
    words, at = [], 0
    for _ in range(n):
        at = (3 * at + 1) % 40 if generator.random() < 0.8 else int(generator.integers(40))
        words.append(f"w{at}")
    return " ".join(words)


def written(tmp_path: Path, text: str, name: str = "songs.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["songs.txt", "songs.txt.gz"])
def test_every_token_of_a_block_is_told_from_those_before_it(tmp_path: Path, name: str) -> None:
    data, notes = opened(written(tmp_path, songs(), name))
    assert data.n_classes == 41  # forty words, and the unknown one
    (tokens, keep), target = data.training(np.array([3, 0]))
    assert tokens[0].tolist() == data.train[15:20].tolist()
    assert target.tolist() == [*data.train[16:21], *data.train[1:6]]
    assert keep.tolist() == list(range(10))
    found = data.evaluation("validation", n_max=20)
    assert len(found.units) == 4
    assert len(found.positives.indptr) == 21
    assert "eight train" in notes[-1]


def test_the_vocabulary_is_that_of_training_and_rare_words_are_unknown(tmp_path: Path) -> None:
    text = " ".join(["a", "b", "b", "a"] * 200 + ["once"])
    data, _ = opened(written(tmp_path, text))
    assert data.n_classes == 3
    assert data.class_counts.tolist()[2] == 0
    limited, _ = opened(written(tmp_path, songs()), vocabulary_size=10)
    assert limited.n_classes == 10


def test_byte_pairs_know_every_text(tmp_path: Path) -> None:
    text = "\n".join(songs(200, seed) for seed in range(30))
    data, notes = opened(written(tmp_path, text), tokenizer="bpe", vocabulary_size=300)
    assert 257 <= data.n_classes <= 300
    assert "byte pairs" in notes[0]


def test_token_ids_bring_their_own_split(tmp_path: Path) -> None:
    tokens = np.arange(60) % 7
    parts = np.repeat([0, 1, 2], 20)
    pl.DataFrame({"token": tokens, "split": parts}).write_parquet(tmp_path / "t.parquet")
    data, _ = opened(tmp_path / "t.parquet", columns={"split": "split"})
    assert data.train.tolist() == tokens[:20].tolist()
    assert data.validation.tolist() == tokens[20:40].tolist()
    assert data.n_classes == 7


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b" \n ", "is empty"),
        ("caf\xe9 ".encode("latin-1") * 99, "not UTF-8"),
        (b"a\0b", "binary"),
        (b"a", "one class only"),
    ],
)
def test_text_that_cannot_be_used_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    with pytest.raises(DataInvalidError, match=says):
        opened(path)


@pytest.mark.parametrize(
    ("loss", "dtype"),
    [("softmax", "float32"), ("sampled_softmax", "float32"), ("softmax", "bfloat16")],
)
def test_a_leg_lowers_the_perplexity(tmp_path: Path, loss: str, dtype: str) -> None:
    task = Task(
        kind="text",
        data=DataSource(path=str(written(tmp_path, songs()))),
        model=Model(embedding_dim=16, sequence_length=10, n_layers=1),
        training=Training.model_validate({"batch_size": 8, "dtype": dtype}),
        horizon=Horizon(epochs=10),
    )
    assert task.metric == "perplexity"
    prepared = prepare(task, Workspace(tmp_path / "data"))
    first = candidates(task, prepared.statistics)[loss][0]
    candidate = Candidate(loss=loss, settings={**first.settings, "learning_rate": 0.01})
    leg = Leg(trial=Trial(candidate=candidate, seed=0), from_examples=0, checkpoints=(8, 1600))
    started, ended, end = run_leg(prepared, leg, str(tmp_path), 1, time.monotonic() + 100)
    assert isinstance(end, LegEnd)
    assert started.value == pytest.approx(41, rel=0.3)  # nothing learnt: one in 41
    assert ended.value is not None
    assert ended.value < 0.6 * started.value
