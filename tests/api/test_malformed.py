"""Files that are not what they seem: kept or refused, looked at, read; never a server error."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.settings import Settings
from tests.api.in_process import Client, in_process
from tests.api.malformed import Good, good_files, spoilt
from tests.databases import sqlite_url

N_SHORT, N_LONG, LOOK_EVERY, READ_EVERY = 4, 500, 10, 50  # a look is a child, as a reading is


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("malformed")
    settings = Settings(
        data_dir=folder, database_url=sqlite_url(folder), upload_quota_gib=1, leg_memory_gib=2
    )
    with in_process(settings) as client:
        yield client


def _fine(answer: httpx.Response) -> bool:
    """Whether it is an answer, or a problem of whoever asked; fails for anything else."""
    assert answer.status_code < 500, answer.text
    if answer.is_success:
        return True
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    return False


def _send(client: Client, good: Good, content: bytes, number: int) -> bool:
    """Whether the file was taken; by its number it is looked at, and read as its kind of task."""
    sent = client.post("/v1/uploads", content=content, params={"name": good.name})
    if not _fine(sent):
        return False
    path = sent.headers["location"]
    if number % LOOK_EVERY == 0:
        _fine(client.get(f"{path}/preview"))
    if number % READ_EVERY == 0:
        data = {"path": f"upload:{sent.json()['id']}"}
        _fine(client.post("/v1/recommendations", json={"task": {"kind": good.kind, "data": data}}))
    assert client.delete(path).status_code == 204
    return True


@pytest.mark.parametrize("format_", good_files())
def test_a_good_file_is_taken(client: Client, format_: str) -> None:
    good = good_files()[format_]
    assert _send(client, good, good.content, number=1)


@pytest.mark.parametrize("format_", good_files())
def test_some_spoilt_files_are_no_servers_fault(client: Client, format_: str) -> None:
    good = good_files()[format_]
    for i, content in enumerate(spoilt(good.content, N_SHORT, seed=1)):
        _send(client, good, content, number=i)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("format_", good_files())
def test_hundreds_of_spoilt_files_are_no_servers_fault(
    client: Client, tmp_path: Path, format_: str
) -> None:
    good = good_files()[format_]
    for i, content in enumerate(spoilt(good.content, N_LONG, seed=2)):
        (tmp_path / "last").write_bytes(content)  # what to look at if it fails
        _send(client, good, content, number=i)
