"""Bad input: exit status 2 and one clear sentence per fault, before anything is spent."""

import json
from pathlib import Path

import pytest

from tests.cli.command import run, write_task

pytestmark = pytest.mark.slow
TASKS = {
    "metric": ("ndcg@x", "metric: unknown metric 'ndcg@x'; allowed are ndcg@K, recall@K, hit@K"),
    "horizon": ("{epochs: -3}", "horizon.epochs: -3 given; it must be greater than 0"),
    "training": ("{batch_size: .nan}", "training.batch_size: nan given; it must be a finite"),
    "kind": (
        "pictures",
        "kind: 'pictures' given; it must be 'interactions', 'sequences', 'text', 'features', ",
    ),
    "colour": ("red", "colour: unknown key; allowed are name, kind, data"),
    "losses": ("{exclude: [softmux]}", "unknown loss 'softmux'; known are adaptive_softmax, "),
    "data": ("{path: none.csv}", "data.path: there is no file 'none.csv'"),
}
DATA = {
    "no such column": ("buyer,item\nu,i\n", "user"),
    "empty file": ("", "empty"),
    "one class": ("user,item\n" + "".join(f"u{n},i\n" for n in range(30)), "one class"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = (f"u{n % 40},i{n % 37}" for n in range(600))
    (tmp_path / "orders.csv").write_text("\n".join(("user,item", *rows)))
    return tmp_path


def _refused(folder: Path, *arguments: str | Path) -> str:
    """The one line on standard error."""
    ended = run(folder, *arguments)
    assert ended.status == 2, ended.stderr
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("softmax-advisor: ")
    return line


@pytest.mark.parametrize("key", TASKS)
def test_a_fault_of_the_task_is_named_with_its_place(folder: Path, key: str) -> None:
    value, sentence = TASKS[key]
    assert sentence in _refused(folder, "recommend", write_task(folder, **{key: value}))


@pytest.mark.parametrize("case", DATA)
def test_a_fault_of_the_data_is_told_with_a_budget_and_without(folder: Path, case: str) -> None:
    content, word = DATA[case]
    (folder / "orders.csv").write_text(content)
    task = write_task(folder)
    assert word in _refused(folder, "recommend", task)
    assert word in run(folder, "recommend", task, "--budget", "6s").stderr


@pytest.mark.parametrize("budget", ["abc", "0", "-5s"])
def test_a_budget_that_is_no_duration_is_refused(folder: Path, budget: str) -> None:
    line = _refused(folder, "recommend", write_task(folder), f"--budget={budget}")
    assert line.startswith(f"softmax-advisor: budget: '{budget}' is no ")


def test_every_fault_of_a_task_gets_its_own_line(folder: Path) -> None:
    task = write_task(folder, metric="auc", horizon="{epochs: 0, seconds: .inf}")
    ended = run(folder, "recommend", task)
    assert ended.status == 2
    assert [line.split(": ")[-2] for line in ended.stderr.splitlines()] == [
        "metric",
        "horizon.epochs",
        "horizon.seconds",
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a: [", "is not YAML: "),
        ("- 1", "holds a list; a task is a mapping"),
        ("metric: mrr\nmetric: mrr", "the key 'metric' is given twice (line 2, column 1)"),
        ("\x00\x01", "is not YAML: "),
    ],
)
def test_a_file_that_is_no_task_is_refused(folder: Path, content: str, sentence: str) -> None:
    (folder / "t.yaml").write_text(content)
    assert sentence in _refused(folder, "recommend", "t.yaml")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("recommend", "none.yaml"), "none.yaml: no such file"),
        (("recommend", "."), ".: cannot be read: Is a directory"),
        (("recommend", "task.yaml", "--report", "no/r.html"), "report: 'no/r.html' lies in no"),
        (("demo", "--sample", "ml-1b"), "there is no sample 'ml-1b'; there is ml-100k, ml-100k-"),
        (("losses", "softmux"), "unknown loss 'softmux'; known are adaptive_softmax, "),
        (("losses", "--source"), "--source: name the loss"),
        (("profiles", "--limit", "0"), "Invalid value for '--limit'"),
        (("recommend",), "Missing argument"),
        (("recomend",), "No such command"),
        (("worker", "--tag", "A b"), "setting tag: 'A b' given"),
    ],
)
def test_a_wrong_command_line_is_refused(
    folder: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    write_task(folder)
    assert sentence in _refused(folder, *arguments)


def test_json_holds_nothing_of_a_fault(folder: Path) -> None:
    ended = run(folder, "losses", "--json")
    assert {loss["name"] for loss in json.loads(ended.stdout)} >= {"softmax", "bpr"}
    assert ended.stderr == ""
