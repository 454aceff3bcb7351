"""Paths that lead out of the data folder, or to what is not the caller's, tried on a real server.

Real, because what a client or a server makes of `..` and `%2e` on the way is part of the question.
"""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.servers import Site, site
from tests.databases import sqlite_url

NEIGHBOURS = "item_of_the_neighbour"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("paths")
    (folder / "outside.csv").write_text(f"user,item\nu1,{NEIGHBOURS}\nu2,other\n")
    with site(sqlite_url(folder), folder) as found:
        data = found.data_dir
        (data / "link.csv").symlink_to(folder / "outside.csv")
        (data / "up").symlink_to("..")
        (data / "chain.csv").symlink_to("link.csv")
        (data / "loop.csv").symlink_to("loop.csv")
        (data / "device.csv").symlink_to("/dev/zero")
        (data / "tenants" / "shop").mkdir(parents=True)
        (data / "tenants" / "shop" / "own.csv").write_text(
            f"user,item\nu1,{NEIGHBOURS}\nu2,other\n"
        )
        found.serve(ADVISOR_RUNS_CALIBRATIONS="false")
        yield found


@pytest.mark.parametrize(
    "path",
    [
        "../outside.csv",
        "./../outside.csv",
        "nothing/../../outside.csv",
        "..\\outside.csv",
        "%2e%2e/outside.csv",
        "..%2foutside.csv",
        "..%252foutside.csv",
        "{folder}/outside.csv",
        "file://{folder}/outside.csv",
        "~/outside.csv",
        "link.csv",
        "chain.csv",
        "loop.csv",
        "device.csv",
        "up/outside.csv",
        "/dev/zero",
        "/proc/self/environ",
        "/etc/passwd",
        "http://127.0.0.1:1/x.csv",
        "http://169.254.169.254/latest/meta-data/x.csv",
        "s3://bucket/x.csv",
        "tenants/shop/own.csv",
        "advisor.sqlite",
        "engine.sqlite",
        "uploads",
        "upload:../outside.csv",
        "upload:{folder}/outside.csv",
        "*.csv",
        "orders.csv\n../outside.csv",
    ],
)
@pytest.mark.parametrize("field", ["path", "labels"])
def test_a_task_names_no_file_but_its_own(here: Site, field: str, path: str) -> None:
    named = path.replace("{folder}", str(here.folder))
    data = {"path": "orders.csv", "format": "csv"} | {field: named}
    task = {"name": "x", "kind": "interactions", "data": data}
    for resource, more in (
        ("tasks", {}),
        ("recommendations", {}),
        ("calibrations", {"budget_seconds": 5}),
    ):
        answer = here.http.post(f"/v1/{resource}", json={"task": task} | more)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert NEIGHBOURS not in answer.text
        assert "root:" not in answer.text


@pytest.mark.parametrize(
    "target",
    [
        "/v1/losses/../../../etc/passwd/source",
        "/v1/losses/..%2f..%2f..%2fetc%2fpasswd/source",
        "/v1/losses/%2e%2e%2f%2e%2e%2fapi%2fapp/source",
        "/v1/losses/..%5c..%5capi%5capp/source",
        "/v1/losses/softmax%00/source",
        "/v1/losses/%2Fetc%2Fpasswd/source",
        "/v1/uploads/../../../etc/passwd",
        "/v1/uploads/..%2f..%2foutside.csv/preview",
        "/v1/uploads/%2e%2e/preview",
        "/docs/../../../etc/passwd",
        "//etc/passwd",
        "/..%2f..%2fetc/passwd",
    ],
)
def test_an_address_names_no_file_at_all(here: Site, target: str) -> None:
    status, body = _raw(here.port, target)
    assert status in (400, 404, 422), (status, body)
    assert "root:" not in body
    assert "import" not in body


def _raw(port: int, target: str) -> tuple[int, str]:
    """A request line as it is: a client of a library would tidy it up."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        with connection.makefile("rb") as stream:
            answer = stream.read().decode()
    return int(answer.split(" ", 2)[1]), answer.partition("\r\n\r\n")[2]


@pytest.mark.parametrize("name", ["../../evil.csv", "/etc/evil.csv", "..\\evil.csv", "evil.csv"])
def test_the_name_of_an_upload_is_never_a_path(here: Site, name: str) -> None:
    def files() -> set[Path]:
        return {f for f in here.folder.rglob("*evil*")}

    answer = here.http.post("/v1/uploads", params={"name": name}, content="user,item\nu1,i1\n")
    assert answer.status_code == 201, answer.text
    assert answer.json()["name"] == name
    assert files() == set()
    assert not Path("/etc/evil.csv").exists()
    here.http.delete(f"/v1/uploads/{answer.json()['id']}")
