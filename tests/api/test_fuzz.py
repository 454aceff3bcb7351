"""Whatever is asked of the API, no answer is a server error or other than its description says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.fuzzing import fuzz
from tests.api.servers import Site, site
from tests.databases import sqlite_url

N_SHORT, N_LONG = 300, 5000


@pytest.fixture
def quiet(database_url: str, tmp_path: Path) -> Iterator[Site]:
    """A server that trains nothing, so that what is asked for waits."""
    with site(database_url, tmp_path) as found:
        found.serve(ADVISOR_RUNS_CALIBRATIONS="false")
        yield found


def test_some_hundred_questions_of_every_phase_are_answered_as_described(tmp_path: Path) -> None:
    with site(sqlite_url(tmp_path), tmp_path) as found:
        found.serve(ADVISOR_RUNS_CALIBRATIONS="false")
        n_cases = 0
        for phases, options in (
            (("examples", "fuzzing", "stateful"), ()),
            (("coverage",), ("--include-tag", "trials")),
        ):
            fuzzed = fuzz(found, 4, *options, phases=phases)
            assert fuzzed.failures == [], fuzzed.output
            n_cases += fuzzed.n_cases
        assert n_cases >= N_SHORT


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_thousands_of_questions_are_answered_as_described(quiet: Site) -> None:
    n_cases, seed = 0, 1
    while n_cases < N_LONG:
        fuzzed = fuzz(quiet, 40, seed=seed)
        assert fuzzed.failures == [], fuzzed.output
        n_cases, seed = n_cases + fuzzed.n_cases, seed + 1
