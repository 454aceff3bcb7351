"""Sequences: order, splits, windows, and a transformer that never sees what it has to tell."""

from pathlib import Path

import numpy as np
import pytest
import torch

from advisor.errors import DataInvalidError
from advisor.task import Columns, DataSource, Model
from profiler.dataset import open_dataset, prepare_dataset
from profiler.encoders.transformer import Transformer
from profiler.kinds.sequences import Sequences

Row = tuple[str, str, object]


def opened(tmp_path: Path, rows: list[Row], window: int = 3, **source: object) -> Sequences:
    path = tmp_path / "events.csv"
    path.write_text("user,item,time\n" + "".join(f"{u},{i},{t}\n" for u, i, t in rows))
    asked = DataSource.model_validate({"path": str(path), **source})
    model = Model(sequence_length=window)
    data = prepare_dataset(asked, str(tmp_path / "cache"), "sequences", model)
    found = open_dataset(data.dataset_dir, model)
    assert isinstance(found, Sequences)
    assert data.statistics.n_examples == found.n_examples
    assert data.statistics.targets_per_example == found.targets_per_example
    return found


def history(user: str, items: str, start: int = 0) -> list[Row]:
    return [(user, item, start + t) for t, item in enumerate(items)]


def named(data: Sequences, tmp_path: Path) -> list[str]:
    lines = (tmp_path / "events.csv").read_text().splitlines()[1:]
    return list(dict.fromkeys(line.split(",")[1] for line in lines))


def test_the_last_event_is_the_test_and_the_one_before_it_the_validation(tmp_path: Path) -> None:
    data = opened(tmp_path, [*history("u", "abcde"), *history("v", "xy"), *history("w", "bxa")])
    items = named(data, tmp_path)
    for part, told, pasts in (("validation", "dx", ["abc", "b"]), ("test", "ea", ["abcd", "bx"])):
        found = data.evaluation(part)
        assert [items[i] for i in found.positives.indices] == list(told)
        tokens, keep = found.inputs(found.units)
        for row, place, past in zip(tokens, keep, pasts, strict=True):
            at = place % tokens.shape[1]
            assert "".join(items[i] for i in row[: at + 1]) == past[-3:]
        assert found.seen is not None
        seen = [items[i] for i in found.seen.indices]
        assert seen == [i for past in pasts for i in past]


def test_every_target_of_training_is_in_one_window_after_what_came_before_it(
    tmp_path: Path,
) -> None:
    rows = [*history("u", "abcdefghij"), *history("v", "kl"), *history("w", "m")]
    data = opened(tmp_path, rows)
    items = named(data, tmp_path)
    told: list[str] = []
    for example in range(data.n_examples):
        (tokens, keep), target = data.training(np.array([example]))
        row = [items[i] for i in tokens[0]]
        assert len(row) <= 3
        told += [row[place] + items[t] for place, t in zip(keep, target, strict=True)]
    assert sorted(told) == sorted(["ab", "bc", "cd", "de", "ef", "fg", "gh", "kl"])
    (_, keep), together = data.training(np.arange(data.n_examples))
    assert len(keep) == len(together) == len(told)
    assert data.targets_per_example == pytest.approx(len(told) / data.n_examples)


def test_rows_in_any_order_are_sorted_by_time_whether_number_or_date(tmp_path: Path) -> None:
    rows = history("u", "abcd")
    expected = opened(tmp_path, rows)
    for times in ([3, 1, 2, 0], ["2024-05-04", "2024-05-02", "2024-05-03", "2024-05-01"]):
        mixed = [("u", item, t) for item, t in zip("dbca", times, strict=True)]
        found = opened(tmp_path, mixed)
        names = named(found, tmp_path)
        assert [names[i] for i in found.items] == list("abcd")
        assert found.n_train.tolist() == expected.n_train.tolist()


def test_users_who_repeat_items_have_their_history_ranked_too(tmp_path: Path) -> None:
    data = opened(tmp_path, [*history("u", "aaba"), *history("v", "abc")])
    assert data.evaluation("validation").seen is None


def test_a_temporal_split_trains_on_what_came_before_for_everybody(tmp_path: Path) -> None:
    rows = [*history("u", "abcdefgh"), *history("v", "xyzab", start=4), *history("w", "cd", 30)]
    data = opened(tmp_path, rows, split="temporal")
    assert data.n_train.tolist() == [8, 4, 0]
    validated = data.evaluation("validation")
    assert [named(data, tmp_path)[i] for i in validated.positives.indices] == ["b"]
    assert len(data.evaluation("test").units) == 0  # w has no past


@pytest.mark.parametrize(
    ("rows", "source", "says"),
    [
        ([("u", "a", 1), ("u", "b", 2)], {}, "no user has 3 or more events"),
        ([("u", "a", 1), ("v", "a", 2)], {}, "one class only"),
        ([("u", "a", "x"), ("u", "b", "y")], {}, "'x' of .* neither a number nor a date"),
        ([("u", "a", ""), ("u", "b", 1)], {}, "time is missing in 1 rows"),
        ([("u", "a", 1), ("u", "b", 1)], {"split": "temporal"}, "share one moment"),
    ],
)
def test_events_that_cannot_be_used_are_refused(
    tmp_path: Path, rows: list[Row], source: dict, says: str
) -> None:
    with pytest.raises(DataInvalidError, match=says):
        opened(tmp_path, rows, **source)


def test_a_hidden_vector_knows_nothing_of_later_tokens_or_of_padding() -> None:
    torch.manual_seed(0)
    encoder = Transformer(20, Model(embedding_dim=8, sequence_length=6)).eval()
    tokens = torch.tensor([[3, 7, 1, 9, 2, 4]])
    whole = encoder(tokens, torch.arange(6))
    for length in range(1, 6):
        alone = encoder(tokens[:, :length], torch.arange(length))
        torch.testing.assert_close(alone, whole[:length])
    padded = torch.tensor([[3, 7, 0, 0, 0, 0], [3, 7, 1, 9, 2, 4]])
    kept = encoder(padded, torch.tensor([0, 1, 6, 7, 8, 9, 10, 11]))
    torch.testing.assert_close(kept, torch.cat((whole[:2], whole)))


def test_columns_are_mapped_for_sequences_too(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("who,what,when\n" + "".join(f"u,{i},{t}\n" for t, i in enumerate("abcd")))
    columns = Columns(user="who", item="what", time="when")
    source = DataSource(path=str(path), columns=columns)
    data = prepare_dataset(source, str(tmp_path / "cache"), "sequences")
    assert data.statistics.n_classes == 4
