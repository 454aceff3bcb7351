"""Uploads: kept whole or not at all, told by their content, read by tasks, gone when deleted."""

import gzip
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from advisor.errors import DataInvalidError
from advisor.task import DataSource, Task
from api.settings import Settings
from api.stories import uploads
from tests.api.in_process import Client, in_process
from tests.databases import sqlite_url
from tests.small_data import write_interactions
from tests.store.examples import LAPTOP


@pytest.fixture
def orders(tmp_path: Path) -> bytes:
    """A csv of interactions, whatever it is called."""
    file = write_interactions(tmp_path / "outside.csv", n_users=60, n_items=40, per_user=8)
    content = file.read_bytes()
    file.unlink()
    return content


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Client]:
    """A service where 1,000 bytes may be sent at once, 2,500 in all, for a day."""
    settings = Settings(
        data_dir=tmp_path,
        database_url=sqlite_url(tmp_path),
        upload_gib_max=1000 / 2**30,
        upload_quota_gib=2500 / 2**30,
        upload_days=1,
    )
    with in_process(settings) as client:
        yield client


def _sent(http: Client, content: bytes, name: str = "orders.csv") -> dict[str, Any]:
    answer = http.post("/v1/uploads", content=content, params={"name": name})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/uploads/{answer.json()['id']}"
    return answer.json()


def _task(upload: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"name": "shop", "data": {"path": f"upload:{upload['id']}"}, **changes}


def _files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_an_upload_is_kept_listed_and_deleted(http: Client, orders: bytes, tmp_path: Path) -> None:
    first = _sent(http, orders)
    second = _sent(http, gzip.compress(orders), name="../../etc/passwd")
    assert first["sha256"] == hashlib.sha256(orders).hexdigest()
    assert first["size_bytes"] == len(orders)
    assert (first["format"], first["is_compressed"]) == ("csv", False)
    assert (second["format"], second["is_compressed"]) == ("csv", True)
    assert second["name"] == "../../etc/passwd"
    assert http.get(f"/v1/uploads/{first['id']}").json() == first
    assert http.get("/v1/uploads").json()["items"] == [second, first]
    folder = tmp_path / "uploads"
    assert (folder / first["id"] / "content.csv").read_bytes() == orders
    assert http.delete(f"/v1/uploads/{first['id']}").status_code == 204
    assert http.get(f"/v1/uploads/{first['id']}").status_code == 404
    assert _files(folder) == [f"{second['id']}/content.csv.gz"]


def test_a_task_names_an_upload_and_all_that_is_made_of_it_goes_with_it(
    http: Client, orders: bytes, tmp_path: Path
) -> None:
    upload = _sent(http, orders)
    answer = http.post("/v1/recommendations", json={"task": _task(upload)})
    assert answer.status_code == 201, answer.text
    assert answer.json()["task"]["data"]["path"] == f"upload:{upload['id']}"
    stored = http.post("/v1/tasks", json={"task": _task(upload)}).json()
    summary = http.get(f"/v1/tasks/{stored['id']}/summary").json()
    assert summary["n_users"] == 60
    own = f"uploads/{upload['id']}/"
    made = [file for file in _files(tmp_path) if file.endswith(".npy")]
    assert made
    assert all(file.startswith(own) for file in made)
    http.delete(f"/v1/uploads/{upload['id']}")
    assert not (tmp_path / own).exists()
    gone = http.post("/v1/recommendations", json={"task_id": stored["id"]})
    assert gone.status_code == 422
    assert "there is no such upload" in gone.json()["detail"]


def test_labels_may_be_an_upload_too(lone: Client) -> None:
    generator, sent = np.random.default_rng(0), []
    for array in (generator.normal(size=(120, 4)), np.arange(120) % 5):
        file = io.BytesIO()
        np.save(file, array)
        sent.append(_sent(lone, file.getvalue(), name="vectors"))
    data = {"path": f"upload:{sent[0]['id']}", "labels": f"upload:{sent[1]['id']}"}
    task = {"kind": "embeddings", "data": data}
    answer = lone.post("/v1/recommendations", json={"task": task})
    assert answer.status_code == 201, answer.text


def test_an_upload_cannot_be_named_as_a_file_or_by_another_tenant(
    lone: Client, orders: bytes
) -> None:
    upload = _sent(lone, orders)
    for path in (f"uploads/{upload['id']}/content.csv", f"./uploads/{upload['id']}/content.csv"):
        answer = lone.post("/v1/recommendations", json={"task": {"data": {"path": path}}})
        assert answer.status_code == 422
        assert "the service's own" in answer.json()["detail"]
    with pytest.raises(DataInvalidError, match="no such upload"):
        uploads.named(lone.service, "another", f"upload:{upload['id']}")


def test_what_is_wrong_with_the_content_names_the_upload(lone: Client, tmp_path: Path) -> None:
    upload = _sent(lone, b"user,item\nu1,i1\nu2,i1\n")
    answer = lone.post("/v1/recommendations", json={"task": _task(upload)})
    assert answer.status_code == 422
    assert f"'upload:{upload['id']}'" in answer.json()["detail"]
    assert str(tmp_path) not in answer.text


def test_the_preview_shows_rows_types_and_the_guessed_mapping(lone: Client) -> None:
    content = b"customer,SKU,price,when,note\n" + b"c1,7,1.5,2024,\n" * 30
    found = lone.get(f"/v1/uploads/{_sent(lone, content)['id']}/preview?rows=2").json()
    assert found == {
        "format": "csv",
        "columns": [
            {"name": "customer", "type": "text"},
            {"name": "SKU", "type": "integer"},
            {"name": "price", "type": "number"},
            {"name": "when", "type": "integer"},
            {"name": "note", "type": "text"},
        ],
        "rows": [["c1", "7", "1.5", "2024", None]] * 2,
        "mapping": {"user": "customer", "item": "SKU"},
    }


def test_the_preview_of_every_format_is_in_its_words(lone: Client) -> None:
    def preview(content: bytes) -> dict[str, Any]:
        answer = lone.get(f"/v1/uploads/{_sent(lone, content)['id']}/preview")
        assert answer.status_code == 200, answer.text
        return answer.json()

    parquet, npz = io.BytesIO(), io.BytesIO()
    frame = pl.DataFrame({"user_id": [1, 2], "tags": [["a"], ["b", "c"]], "x": [float("nan"), 1]})
    frame.write_parquet(parquet)
    found = preview(parquet.getvalue())
    assert [column["type"] for column in found["columns"]] == ["integer", "list", "number"]
    assert found["rows"][1] == [2, "['b', 'c']", 1.0]
    assert found["mapping"] == {"user": "user_id", "label": "tags"}
    np.savez(npz, X=np.zeros((5, 3), dtype=np.float32), y=np.zeros(5, dtype=np.int64))
    found = preview(npz.getvalue())
    assert found["columns"][0] == {"name": "X", "type": "float32[5, 3]"}
    found = preview(gzip.compress(b"to be or not to be\nthat is the question\n"))
    assert found["rows"] == [["to be or not to be"], ["that is the question"]]
    found = preview(b"user_id:token\titem_id:token\nu1\ti1\n")
    assert found["mapping"] == {"user": "user_id", "item": "item_id"}


def test_a_file_that_cannot_be_shown_says_why(lone: Client) -> None:
    file = io.BytesIO()
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    for content, sentence in (
        (file.getvalue(), "pickled objects, which are never read"),
        (b"PAR1 and nothing else", "could not be read as parquet"),
        (b"a,a\n1,2\n", "more than one column named 'a'"),
    ):
        upload = _sent(lone, content)
        answer = lone.get(f"/v1/uploads/{upload['id']}/preview")
        assert answer.status_code == 422, answer.text
        assert sentence in answer.json()["detail"]
        assert f"upload:{upload['id']}" in answer.json()["detail"]


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n\0", b"\x80\x04\x95\0\0"])
def test_what_is_no_data_is_not_kept(lone: Client, content: bytes, tmp_path: Path) -> None:
    answer = lone.post("/v1/uploads", content=content)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:softmax-advisor:problem:data-invalid"
    assert _files(tmp_path / "uploads") == []
    assert lone.get("/v1/uploads").json()["items"] == []


def test_a_file_that_arrives_otherwise_than_it_was_sent_is_not_kept(
    lone: Client, orders: bytes, tmp_path: Path
) -> None:
    right = hashlib.sha256(orders).hexdigest()
    kept = lone.post("/v1/uploads", content=orders, params={"sha256": right.upper()})
    assert kept.status_code == 201
    wrong = lone.post("/v1/uploads", content=orders[:-1], params={"sha256": right})
    assert wrong.status_code == 422
    assert right in wrong.json()["detail"]
    assert len(_files(tmp_path / "uploads")) == 1


def test_a_file_above_the_limit_is_refused_with_or_without_its_length(
    small: Client, tmp_path: Path
) -> None:
    def in_pieces() -> Iterator[bytes]:  # a body of a length that is not said
        for _ in range(300):
            yield b"u1,i1\n" * 100_000

    for content in (b"u1,i1\n" * 500, in_pieces()):
        answer = small.post("/v1/uploads", content=content)
        assert answer.status_code == 413
        assert answer.json()["type"] == "urn:softmax-advisor:problem:upload-too-large"
        assert "1,000 bytes" in answer.json()["detail"]
        assert _files(tmp_path / "uploads") == []


def test_a_tenant_has_so_much_room_and_no_more(small: Client) -> None:
    content = b"user,item\n" + b"u1,i1\n" * 160
    first = _sent(small, content)
    _sent(small, content)
    answer = small.post("/v1/uploads", content=content)
    assert answer.status_code == 413
    assert "1,940 bytes of uploads are kept already" in answer.json()["detail"]
    small.delete(f"/v1/uploads/{first['id']}")
    _sent(small, content)


def test_a_file_whose_days_are_over_is_gone_and_then_its_bytes_too(
    small: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = _sent(small, b"user,item\nu1,i1\n")
    assert upload["expires_at"] is not None
    (tmp_path / "uploads" / "left-behind").mkdir()
    os.utime(tmp_path / "uploads" / "left-behind", (0, 0))
    (tmp_path / "uploads" / "arriving").mkdir()
    later = uploads.now().replace(year=uploads.now().year + 1)
    for module in ("store.uploads", "api.stories.uploads"):
        monkeypatch.setattr(f"{module}.now", lambda: later)
    assert small.get(f"/v1/uploads/{upload['id']}").status_code == 404
    assert small.get("/v1/uploads").json()["items"] == []
    uploads.sweep(small.service)
    assert sorted(p.name for p in (tmp_path / "uploads").iterdir()) == ["arriving"]


def test_an_upload_that_a_calibration_waits_for_is_not_deleted(http: Client, orders: bytes) -> None:
    upload, store = _sent(http, orders), http.service.store
    task = Task(data=DataSource(path=f"upload:{upload['id']}"))
    waiting = store.calibrations.create(task, 60, "cpu", "local")
    answer = http.delete(f"/v1/uploads/{upload['id']}")
    assert answer.status_code == 409
    assert waiting.id in answer.json()["detail"]
    store.calibrations.finish(waiting.id, "cancelled")
    store.evidence.save_device(LAPTOP)
    store.calibrations.prepared(waiting.id, "fingerprint", LAPTOP.id)
    states = http.service.workspace.data_dir / "states"
    for name in (f"fingerprint-{LAPTOP.id}", f"other-{LAPTOP.id}"):
        (states / name / "trial").mkdir(parents=True)
    assert http.delete(f"/v1/uploads/{upload['id']}").status_code == 204
    assert [folder.name for folder in states.iterdir()] == [f"other-{LAPTOP.id}"]
