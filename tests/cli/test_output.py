"""What people read: the sentences, the table at two widths, and the live view."""

import io

import pytest
from rich.console import Console

from advisor.calibration import DataPrepared, LegEnded, LegStarted, Prepared, Probed
from advisor.evidence import Candidate, Leg, LegReport, Measurement, StepCost, Trial
from advisor.recommendation import Recommendation
from advisor.task import Horizon, TaskStatistics
from advisor.value import Interval
from api import wording
from api.progress import LiveProgress, PlainProgress, progress
from api.tables import AnswerTable
from tests.cli.answers import DEVICE, by_theory, measured, ranked

TIED = measured(
    verdict="tied",
    p_best=0.5,
    ranking=(
        ranked("softmax", 0.3, 24, 0.5),
        ranked("rg2", 0.3, 30, 0.4),
        ranked("bpr", 0.2, 1, 0.1),
    ),
)


def _printed(answer: Recommendation, width: int) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(AnswerTable(answer))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            measured(),
            "Train with softmax: of 2 losses it is the best for ndcg@20 after 20 epochs "
            "with probability 90%.",
        ),
        (
            TIED,
            "Train with softmax. softmax and rg2 are tied: within 1% of each other for ndcg@20 "
            "after 20 epochs, and softmax is the cheapest of them.",
        ),
        (
            measured(verdict="not_enough_evidence", p_best=0.4),
            "Not enough evidence yet: softmax leads for ndcg@20 after 20 epochs, but it is the "
            "best of 2 losses only with probability 40%.",
        ),
        (
            by_theory(),
            "Nothing is measured yet: by theory, softmax comes first for ndcg@20 after 20 epochs.",
        ),
    ],
)
def test_the_verdict_is_one_sentence(answer: Recommendation, sentence: str) -> None:
    assert wording.headline(answer) == sentence


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize(
    "answer", [measured(), by_theory(), TIED], ids=["measured", "theory", "tied"]
)
def test_an_answer_fits_the_terminal(answer: Recommendation, width: int) -> None:
    lines = _printed(answer, width).splitlines()
    assert max(map(len, lines)) <= width
    for each in answer.ranking:
        assert any(line.startswith(each.loss) for line in lines)


def test_at_100_columns_a_loss_takes_one_line() -> None:
    (line,) = [
        x for x in _printed(measured(), 100).splitlines() if x.startswith("sampled_softmax ◆")
    ]
    assert "0.2800 (0.270-0.290)" in line
    assert "3.4 s (3.1-3.7)" in line
    assert "✓ consistent" in line


def test_text_from_data_is_never_markup() -> None:
    assert "[bold]x[/bold] [/]" in _printed(measured(warnings=("[bold]x[/bold] [/]",)), 100)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.0042, "4.2 ms"),
        (0.05, "50 ms"),
        (3.41, "3.4 s"),
        (59.6, "60 s"),
        (125, "2 min 5 s"),
        (1200, "20 min"),
        (9000, "2 h 30 min"),
    ],
)
def test_durations_read_well(seconds: float, words: str) -> None:
    assert wording.duration(seconds) == words


@pytest.mark.parametrize(("p", "words"), [(0, "0%"), (0.004, "<1%"), (0.5, "50%"), (0.996, ">99%")])
def test_probabilities_promise_nothing_that_is_not_known(p: float, words: str) -> None:
    assert wording.probability(p) == words


def test_a_horizon_is_said_in_words() -> None:
    assert wording.horizon(Horizon(epochs=1, seconds=3600)) == "1 epoch or 60 min of training"


def _events() -> tuple[DataPrepared, Probed, LegStarted, LegEnded]:
    task = measured().task
    statistics = TaskStatistics(n_rows=943, n_classes=1682, n_examples=80000)
    prepared = Prepared(
        task=task, task_fingerprint="f", statistics=statistics, device=DEVICE, dataset_dir="/d"
    )
    candidate = Candidate(loss="softmax", settings={"learning_rate": 0.003, "weight_decay": 1e-4})
    cost = StepCost(
        candidate=candidate,
        outcome="completed",
        batch_size=512,
        step_seconds=Interval(low=0.004, mean=0.0042, high=0.005),
        peak_bytes=12 * 2**20,
    )
    leg = Leg(trial=Trial(candidate=candidate, seed=0), from_examples=0, checkpoints=(12800,))
    report = LegReport(
        leg=leg,
        outcome="completed",
        measurements=(Measurement(examples=12800, seconds=1.0, value=0.25),),
        examples=12800,
    )
    return (
        DataPrepared(prepared=prepared),
        Probed(cost=cost, seconds_left=50.0),
        LegStarted(leg=leg, seconds_left=49.0),
        LegEnded(report=report, leader=candidate, leader_value=0.3, seconds_left=48.0),
    )


def test_without_a_terminal_events_become_lines_at_most_one_a_second() -> None:
    stream = io.StringIO()
    shown = progress(Console(file=stream, width=100), measured().task, 60)
    assert isinstance(shown, PlainProgress)
    prepared, probed, started, ended = _events()
    with shown:
        for event in (prepared, probed, *[started, ended] * 5):
            shown.show(event)
    assert stream.getvalue().splitlines() == [
        "reading shop; budget 60 s",
        "read: 943 rows, 1,682 classes, 80,000 training examples; on a CPU, 2 threads",
        "probed softmax: 4.2 ms a step, peak 12.0 MiB",
        "leg 1: softmax (learning_rate 0.003, weight_decay 0.0001), 0 to 12,800 examples: "
        "ndcg@20 0.2500; leader softmax, forecast ndcg@20 0.3000; 48 s left",
    ]


def test_a_terminal_gets_a_live_view_of_every_phase() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=100, force_terminal=True, color_system=None)
    shown = progress(console, measured().task, 60)
    assert isinstance(shown, LiveProgress)
    seen = list[str]()
    with shown:
        for event in _events():
            shown.show(event)
            with console.capture() as captured:
                console.print(shown.view())
            seen.append(captured.get())
    assert "probing shop" in seen[0]
    assert "4.2 ms a step" in seen[1]
    assert "softmax (learning_rate 0.003, weight_decay 0.0001), 0 to 12,800" in seen[2]
    assert "legs told  1" in seen[3]
    assert "leader     softmax, forecast ndcg@20 0.3000" in seen[3]
    assert "48 s of 60 s left" in seen[3]
