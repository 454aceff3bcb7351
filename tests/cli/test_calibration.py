"""`recommend` end to end: it calibrates, goes on, and answers similar tasks at once."""

import json
import signal
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from advisor.recommendation import Recommendation
from tests.cli.command import COMMAND, Ended, environment, run, write_task
from tests.small_data import SIX, at_one_setting, write_interactions

pytestmark = pytest.mark.slow
BUDGET_SECONDS = 90  # more than it needs, also on a busy machine
SECOND_BUDGET_SECONDS = 60


@dataclass(frozen=True)
class Calibrated:
    """A folder in which a task was calibrated, and what the command said."""

    folder: Path
    ended: Ended


def _task(folder: Path, **changes: str) -> Path:
    """A task of six losses at one setting each, so that it is soon settled."""
    return write_task(folder, losses=json.dumps(at_one_setting(*SIX)), **changes)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Calibrated:
    folder = tmp_path_factory.mktemp("shop")
    write_interactions(folder / "orders.csv")
    budget = f"{BUDGET_SECONDS}s"
    arguments = ("recommend", _task(folder), "--budget", budget, "--json", "--report")
    return Calibrated(folder, run(folder, *arguments, "r.html"))


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Calibrated:
    """A calibration that Ctrl-C stopped after its first legs."""
    folder = tmp_path_factory.mktemp("interrupted")
    write_interactions(folder / "orders.csv")
    with subprocess.Popen(
        [COMMAND, "recommend", _task(folder), "--budget", "10m", "--json"],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("leg "):
                break
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    return Calibrated(folder, Ended(process.returncode, stdout, stderr))


def _answer(ended: Ended) -> Recommendation:
    assert ended.status == 0, ended.stderr
    return Recommendation.model_validate_json(ended.stdout)


def test_a_calibration_answers_in_json_within_its_budget(shop: Calibrated) -> None:
    answer = _answer(shop.ended)
    assert answer.evidence_level == "measured"
    assert answer.calibration_id is not None
    assert len(answer.ranking) >= 6
    assert sum(r.p_best for r in answer.ranking) == pytest.approx(1.0)
    assert answer.elapsed_seconds <= BUDGET_SECONDS * 1.05 + 3


def test_progress_without_a_terminal_is_plain_lines(shop: Calibrated) -> None:
    lines = shop.ended.stderr.splitlines()
    assert lines[0] == f"reading small shop; budget {BUDGET_SECONDS} s"
    assert lines[1].startswith("read: 300 rows, ")
    assert sum(line.startswith("probed ") for line in lines) >= 6
    assert any(line.startswith("leg ") and line.endswith(" left") for line in lines)
    assert sum(line.startswith("leg ") for line in lines) <= BUDGET_SECONDS + 1
    assert "\x1b" not in shop.ended.stderr


def test_the_report_holds_the_very_answer(shop: Calibrated) -> None:
    page = (shop.folder / "r.html").read_text(encoding="utf-8")
    start = page.index('<script type="application/json" id="recommendation">')
    embedded, _ = json.JSONDecoder().raw_decode(page, page.index(">", start) + 1)
    assert Recommendation.model_validate(embedded["answer"]) == _answer(shop.ended)


def test_a_known_task_is_answered_at_once_from_what_was_measured(shop: Calibrated) -> None:
    answer = _answer(run(shop.folder, "recommend", _task(shop.folder), "--json"))
    assert answer.evidence_level == "measured"


def test_a_similar_task_is_answered_under_two_seconds_from_profiles(shop: Calibrated) -> None:
    task = _task(shop.folder, name="other", model="{embedding_dim: 8}")
    answered = [run(shop.folder, "recommend", task, "--json") for _ in range(2)]
    assert {_answer(ended).evidence_level for ended in answered} == {"prior"}
    # Of CPU: whatever else the machine does meanwhile is not the command's.
    assert min(ended.cpu_seconds for ended in answered) < 2.0


def test_people_get_the_verdict_the_ranking_and_the_reasons(shop: Calibrated) -> None:
    ended = run(shop.folder, "recommend", _task(shop.folder))
    assert ended.status == 0
    for words in ("P(best)", "Gain over the baseline", "Why", "Settings of the others"):
        assert words in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 100


def test_what_was_measured_is_listed(shop: Calibrated) -> None:
    listed = run(shop.folder, "profiles", "--json", "--loss", "softmax")
    assert {p["candidate"]["loss"] for p in json.loads(listed.stdout)} == {"softmax"}
    table = run(shop.folder, "profiles", "--limit", "3")
    assert "small shop" in table.stdout
    assert len(json.loads(run(shop.folder, "devices", "--json").stdout)) == 1


def test_profiles_go_to_a_parquet_file(shop: Calibrated) -> None:
    import polars as pl

    ended = run(shop.folder, "profiles", "--parquet", "p.parquet")
    assert ended.status == 0, ended.stderr
    frame = pl.read_parquet(shop.folder / "p.parquet")
    assert set(frame["metric"]) == {"ndcg@10"}
    assert max(map(len, frame["curve_values"].to_list())) > 0


def test_a_task_never_seen_is_answered_by_what_comes_with_the_program(tmp_path: Path) -> None:
    write_interactions(tmp_path / "orders.csv", n_users=50)
    answer = _answer(run(tmp_path, "recommend", _task(tmp_path), "--json"))
    assert (answer.evidence_level, answer.verdict) == ("prior", "not_enough_evidence")


def test_an_interrupt_stops_the_race_and_answers(interrupted: Calibrated) -> None:
    assert "stopping" in interrupted.ended.stderr
    assert _answer(interrupted.ended).evidence_level == "measured"


def test_a_second_calibration_goes_on_and_tells_no_leg_twice(interrupted: Calibrated) -> None:
    folder, first = interrupted.folder, _answer(interrupted.ended)
    budget = f"{SECOND_BUDGET_SECONDS}s"
    second = _answer(run(folder, "recommend", "task.yaml", "--budget", budget, "--json"))
    with closing(sqlite3.connect(folder / "advisor" / "advisor.sqlite")) as database:
        legs = database.execute(
            "SELECT trials.key, trials.seed, until_examples, calibration_id FROM legs "
            "JOIN trials ON trials.id = trial_id WHERE legs.outcome = 'completed'"
        ).fetchall()
        probes = database.execute("SELECT DISTINCT calibration_id FROM probes").fetchall()
    assert {leg[3] for leg in legs} == {first.calibration_id, second.calibration_id}
    told = [leg[:3] for leg in legs]
    assert len(told) == len(set(told))
    assert probes == [(first.calibration_id,)], "the second one need not probe again"
