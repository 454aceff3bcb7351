"""Keys as they are handed out: on the command line, and what a server asks before it starts."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from api.cli import main
from store.engine import open_store
from tests.api.servers import site
from tests.databases import sqlite_url

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs a command here, with a data folder of its own: its status and what it wrote."""
    monkeypatch.setenv("ADVISOR_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("ADVISOR_DATABASE_URL", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        written = capsys.readouterr()
        return status, written.out, written.err

    return run


def test_a_key_is_made_shown_once_listed_and_revoked(command: Command, tmp_path: Path) -> None:
    status, shown, words = command(
        "keys", "create", "--tenant", "shop", "--scope", "read", "--expires", "2h"
    )
    assert status == 0
    text = shown.strip()
    assert text.startswith("sa_")
    assert "of tenant 'shop', scope read, until 20" in words
    assert "it is not shown again" in words
    (key,) = json.loads(command("keys", "list", "--json")[1])
    assert (key["tenant"], key["scope"], key["revoked_at"]) == ("shop", "read", None)
    listed = command("keys", "list")[1]
    assert key["id"] in listed
    assert text.split("_", 2)[2] not in listed + json.dumps(key)
    store = open_store(sqlite_url(tmp_path))
    assert store.access.check(text).id == key["id"]
    assert command("keys", "revoke", key["id"])[0] == 0
    assert "revoked 20" in command("keys", "list", "--tenant", "shop")[1]
    assert not store.access.has_valid()
    store.close()


def test_json_holds_the_key_and_what_is_known_of_it(command: Command) -> None:
    made = json.loads(command("keys", "create", "--json", "--expires", "never")[1])
    assert made["key"].startswith(f"sa_{made['id']}_")
    assert (made["tenant"], made["scope"], made["expires_at"]) == ("local", "calibrate", None)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["create", "--expires", "soon"], "expires: 'soon' is no time to come; write for instance"),
        (["create", "--expires", "0d"], "expires: '0d' is no time to come"),
        (["create", "--expires", "999999999d"], "is no time to come"),
        (["create", "--tenant", "../x"], "tenant: '../x' is not 1 to 31 small letters, digits"),
        (["create", "--name", "a\nb"], "name: at most 200 characters that can be printed"),
        (["create", "--scope", "all"], "'all' is not one of 'read', 'calibrate', 'admin'"),
        (["revoke", "nothing"], "no key 'nothing'"),
    ],
)
def test_bad_input_is_said_in_a_sentence(
    command: Command, arguments: list[str], sentence: str
) -> None:
    status, shown, words = command("keys", *arguments)
    assert (status, shown) == (2, "")
    assert sentence in words


@pytest.mark.parametrize("address", ["0.0.0.0", "::", ""])
def test_a_server_that_others_reach_does_not_start_without_a_key(
    command: Command, address: str
) -> None:
    status, _, words = command("serve", "--host", address, "--port", "0")
    assert status == 1
    assert "lets in only who has a key, and there is no valid one" in words
    assert "make one: softmax-advisor keys create --scope calibrate" in words
    assert "Traceback" not in words


def test_a_server_that_others_reach_lets_in_who_has_a_key_until_it_is_revoked(
    tmp_path: Path,
) -> None:
    with site(sqlite_url(tmp_path), tmp_path) as here:
        store = open_store(here.database_url)
        made = store.access.create("shop", "read")
        server = here.serve(address="0.0.0.0", ADVISOR_RUNS_CALIBRATIONS="false")
        headers = {"Authorization": f"Bearer {made.text}"}
        assert here.http.get("/v1/profiles", headers=headers).json()["items"] == []
        assert here.http.get("/v1/profiles").status_code == 401
        wrong = {"X-API-Key": "sa_0123456789abcdef_" + "x" * 43}
        assert here.http.get("/v1/profiles", headers=wrong).status_code == 401
        store.access.revoke(made.key.id)
        store.close()
        assert here.http.get("/v1/profiles", headers=headers).status_code == 401
        # Without any key it lives on: whoever looks after it sees that it is there.
        assert here.http.get("/readyz").status_code == 200
        assert server.terminate() < 10
    log = server.log.read_text()
    assert '"GET /v1/profiles HTTP/1.1" 401' in log
    for secret in (made.text.split("_", 2)[2], "x" * 43):
        assert secret not in log
