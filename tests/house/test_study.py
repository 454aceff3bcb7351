"""docs/study.md says what the stored curves say."""

from benchmarks.study import markdown
from benchmarks.study_facts import all_tasks
from tests.house.repository import ROOT


def test_the_study_is_what_the_stored_curves_and_gradients_give() -> None:
    written = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
    assert written == markdown(all_tasks()), "write it again: python -m benchmarks.study"


def test_every_figure_of_the_study_is_there() -> None:
    written = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
    named = {line.split("](")[1][:-1] for line in written.splitlines() if line.startswith("![")}
    assert named == {f"figures/{file.name}" for file in (ROOT / "docs" / "figures").iterdir()}
