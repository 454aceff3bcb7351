"""The list of profiles: filtered, sorted, in pages, and as one table of all that match."""

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy.dialects import sqlite

from advisor.value import Interval
from api.profile_frame import COLUMNS, profile_frame
from api.settings import Settings
from store.profile_listing import ProfileFilter, listing_query, sorts
from store.profile_reading import all_profiles
from store.tables import ProfileRow
from tests.api.in_process import Client, in_process
from tests.databases import BACKENDS, postgresql_database, sqlite_url
from tests.store.examples import LAPTOP, a_candidate, a_profile, statistics

PARQUET = "application/vnd.apache.parquet"


@pytest.fixture(scope="module", params=BACKENDS)
def stored(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """24 profiles of two losses, kinds and sizes; one diverged and was never timed."""
    folder = tmp_path_factory.mktemp("profiles")
    if request.param == "sqlite":
        with _filled(folder, sqlite_url(folder)) as client:
            yield client
        return
    with (
        postgresql_database(request.getfixturevalue("postgresql")) as url,
        _filled(folder, url) as client,
    ):
        yield client


@contextmanager
def _filled(folder: Path, url: str) -> Iterator[Client]:
    sizes = product(("softmax", "bpr"), ("interactions", "text"), (10, 150, 150, 4000, 90, 1))
    with in_process(Settings(data_dir=folder, database_url=url)) as client:
        for i, (loss, kind, n) in enumerate(sizes):
            profile = a_profile(
                task_name=f"task {i % 3}",
                task_fingerprint=f"data {i}",
                kind=kind,
                metric="perplexity" if kind == "text" else "ndcg@10",
                candidate=a_candidate(loss),
                statistics=statistics(n + 1),
                final_value=None if i == 7 else (i * 7 % 24) / 24 + 1,
                outcome="diverged" if i == 7 else "completed",
                step_seconds=None if i == 7 else Interval(low=0, mean=i % 5, high=9),
                peak_bytes=2**33 + i % 4,
            )
            client.service.store.evidence.save_profile(profile, None)
        yield client


def _all(client: Client, size: int = 5, **wanted: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    wanted = {**wanted, "page_size": size}
    while True:
        answer = client.get("/v1/profiles", params=wanted)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        wanted["page_token"] = answer.json()["next_page_token"]
        if wanted["page_token"] is None:
            return found


def _sorted_by(profile: dict[str, Any], name: str) -> Any:
    if name == "n_classes":
        return profile["statistics"]["n_classes"]
    if name == "step_seconds":
        return profile["step_seconds"] and profile["step_seconds"]["mean"]
    return profile[name]


@pytest.mark.parametrize("sort", sorts())
def test_every_sort_goes_through_all_pages_once(stored: Client, sort: str) -> None:
    name, newest = sort.removeprefix("-"), _all(stored, 100)
    found = _all(stored, sort=sort)
    expected = [p for p in newest if _sorted_by(p, name) is not None]
    assert {p["id"] for p in found} == {p["id"] for p in expected}
    assert len(found) == len(expected) == (23 if name in ("final_value", "step_seconds") else 24)
    keys = [(_sorted_by(p, name), p["id"]) for p in found]
    assert keys == sorted(keys, reverse=sort.startswith("-"))


@pytest.mark.parametrize(
    ("wanted", "n"),
    [
        ({"loss": "softmax"}, 12),
        ({"task": "task 1"}, 8),
        ({"kind": "text"}, 12),
        ({"metric": "perplexity", "loss": "bpr"}, 6),
        ({"device": LAPTOP.id}, 24),
        ({"device": "abacus"}, 0),
        ({"n_classes_min": 91, "n_classes_max": 151}, 12),
        ({"n_classes_min": 152}, 4),
        ({"n_classes_max": 2}, 4),
        ({"n_classes_min": 5, "n_classes_max": 4}, 0),
        ({"n_classes_min": 2**53}, 0),
        ({"source": "outcome"}, 0),
        ({"bad": "false", "source": "calibration"}, 24),
    ],
)
def test_filters_leave_what_they_say_in_every_order_and_form(
    stored: Client, wanted: dict[str, Any], n: int
) -> None:
    found = _all(stored, **wanted)
    assert len(found) == n
    by_size = _all(stored, sort="n_classes", **wanted)
    assert {p["id"] for p in by_size} == {p["id"] for p in found}
    table = stored.get("/v1/profiles", params=wanted, headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["id"] for row in rows] == [p["id"] for p in found]


@pytest.mark.parametrize(
    "names",
    [
        *[("loss",), ("task_name",), ("kind",), ("device_id",), ("metric",), ("source",)],
        *[("task_name", "loss"), ("loss", "metric"), ("kind", "metric")],
    ],
)
def test_a_documented_filter_needs_no_sort_and_looks_at_no_other_row(
    lone: Client, tmp_path: Path, names: tuple[str, ...]
) -> None:
    wanted = ProfileFilter(**dict.fromkeys(names, "x"))
    own = all_profiles().where(ProfileRow.tenant == "local")
    query = listing_query(own, wanted, "-created_at", None).limit(51)
    text = query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with closing(sqlite3.connect(tmp_path / "advisor.sqlite")) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}")]
    assert not any("TEMP B-TREE" in step for step in plan), plan
    (plan,) = (step for step in plan if step.startswith("SEARCH profiles"))
    assert "USING INDEX ix_profiles" in plan
    assert all(f"{name}=?" in plan for name in names), plan


def test_a_token_of_another_order_or_of_nobody_is_refused(lone: Client) -> None:
    for i in range(3):
        lone.service.store.evidence.save_profile(a_profile(task_fingerprint=f"data {i}"), None)
    token = lone.get("/v1/profiles?page_size=1").json()["next_page_token"]
    for query in (f"sort=n_classes&page_token={token}", "page_token=AAAA", "page_token=%C3%A9"):
        answer = lone.get(f"/v1/profiles?{query}")
        assert answer.status_code == 422
        assert answer.json()["type"] == "urn:softmax-advisor:problem:page-invalid"
    assert lone.get("/v1/profiles?sort=colour").status_code == 422


def test_a_table_holds_every_profile_with_its_curve(stored: Client, tmp_path: Path) -> None:
    whole = _all(stored, 100)
    answer = stored.get("/v1/profiles?page_size=2", headers={"Accept": PARQUET})
    assert answer.headers["content-type"] == PARQUET
    assert answer.headers["content-disposition"] == 'attachment; filename="profiles.parquet"'
    frame = pl.read_parquet(io.BytesIO(answer.content))
    assert tuple(frame.columns) == COLUMNS
    assert frame["id"].to_list() == [p["id"] for p in whole]
    assert frame["curve_values"].to_list() == [[c["value"] for c in p["curve"]] for p in whole]
    table = stored.get("/v1/profiles", headers={"Accept": "text/csv;q=0.9, text/html"})
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert tuple(rows[0]) == COLUMNS
    assert [json.loads(row["curve_values"]) for row in rows] == frame["curve_values"].to_list()
    assert rows[16]["final_value"] == ""  # the one that diverged
    assert list((stored.service.workspace.data_dir / "exports").iterdir()) == []


def test_a_table_of_nothing_has_its_columns(lone: Client) -> None:
    table = lone.get("/v1/profiles", headers={"Accept": "text/csv"}).text
    assert table == ",".join(COLUMNS) + "\r\n"
    content = lone.get("/v1/profiles", headers={"Accept": PARQUET}).content
    assert pl.read_parquet(io.BytesIO(content)).schema == profile_frame(()).schema


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("text/*", "text/csv; charset=utf-8"),
        ("application/json;q=0.5, text/csv", "text/csv; charset=utf-8"),
        ("*/*, application/json;q=0", "text/csv; charset=utf-8"),
        ("text/html", "application/problem+json"),
        ("application/json;q=x", "application/problem+json"),
    ],
)
def test_the_form_is_the_one_that_is_accepted_most(
    lone: Client, accept: str, expected: str
) -> None:
    answer = lone.get("/v1/profiles", headers={"Accept": accept})
    assert answer.headers["content-type"] == expected
    assert answer.status_code == (406 if "problem" in expected else 200)
