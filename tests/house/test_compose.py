"""docker-compose.yml against the Compose specification, and against what we promise of it."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from store.engine import open_store
from tests.databases import sqlite_url
from tests.house.repository import ROOT, text

LONG_RUNNING = ("postgres", "api", "worker")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load(text("docker-compose.yml"))


def test_it_follows_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_check_would_find_a_fault(tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(text("docker-compose.yml").replace("restart:", "restarts:"))
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.compose-spec", str(broken)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_every_long_running_service_has_a_healthcheck_and_comes_back(compose) -> None:
    services = compose["services"]
    assert set(services) == {*LONG_RUNNING, "migrate"}
    for name in LONG_RUNNING:
        assert services[name]["healthcheck"]["test"], name
        assert services[name]["restart"] == "unless-stopped"
    assert services["migrate"]["restart"] == "no"


def test_there_is_no_default_password(compose) -> None:
    plain = text("docker-compose.yml") + text(".env.example")
    used = re.findall(r"\$\{POSTGRES_PASSWORD([^}]*)\}", plain)
    assert used
    assert all(how.startswith(":?") for how in used)
    assert re.search(r"^POSTGRES_PASSWORD=$", text(".env.example"), re.MULTILINE)
    assert compose["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"].startswith("${")


def test_postgresql_is_16_or_newer_and_keeps_its_data_in_a_named_volume(compose) -> None:
    postgres = compose["services"]["postgres"]
    image, _, tag = postgres["image"].partition(":")
    assert image == "postgres"
    # From 18 on the image keeps its data elsewhere, so another tag means another path.
    assert 16 <= int(tag.split("-")[0].split(".")[0]) < 18
    volume, _, path = postgres["volumes"][0].partition(":")
    assert volume in compose["volumes"]
    assert path == "/var/lib/postgresql/data"


def test_ours_run_without_privileges_on_a_shared_named_volume(compose) -> None:
    for name in ("api", "worker", "migrate"):
        service = compose["services"][name]
        assert service["user"] not in ("0", "root")
        assert service["cap_drop"] == ["ALL"]
        assert service["volumes"] == ["data:/data"]
        assert service["environment"]["ADVISOR_DATA_DIR"] == "/data"
        assert service["environment"]["ADVISOR_DATABASE_URL"].startswith("postgresql+psycopg://")
    assert "data" in compose["volumes"]
    assert re.search(r"^USER advisor$", text("Dockerfile"), re.MULTILINE)


def test_the_database_is_upgraded_before_anything_uses_it(compose) -> None:
    services = compose["services"]
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("api", "worker"):
        wanted = {"migrate": {"condition": "service_completed_successfully"}}
        assert services[name]["depends_on"] == wanted


def test_it_is_published_on_this_machine_only(compose) -> None:
    assert compose["services"]["api"]["ports"] == ["${BIND_ADDRESS:-127.0.0.1}:${PORT:-8000}:8000"]
    assert "ports" not in compose["services"]["postgres"]


class _Ready(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _NotReady(_Ready):
    status = 503


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), request.param) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("served", "status"), [(_Ready, 0), (_NotReady, 1)], indirect=["served"])
def test_the_api_is_healthy_when_it_is_ready(compose, served: int, status: int) -> None:
    check = _health_check(compose, "api").replace(":8000/", f":{served}/")
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, check=False)
    assert ran.returncode == status


@pytest.mark.parametrize(("beats", "status"), [(True, 0), (False, 1)])
def test_a_worker_is_healthy_while_its_heart_beats(
    compose, tmp_path: Path, beats: bool, status: int
) -> None:
    slot = compose["services"]["worker"]["environment"]["ADVISOR_DEVICE_SLOT"]
    url = sqlite_url(tmp_path)
    store = open_store(url)
    if beats:
        store.workers.beat(f"{socket.gethostname()}-{slot}", None, "cpu")
    store.close()
    environment = os.environ | {"ADVISOR_DATABASE_URL": url, "ADVISOR_DEVICE_SLOT": slot}
    command = [sys.executable, "-c", _health_check(compose, "worker")]
    ran = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert ran.returncode == status, ran.stderr.decode()


def _health_check(compose: dict[str, Any], name: str) -> str:
    kind, python, option, program = compose["services"][name]["healthcheck"]["test"]
    assert (kind, python, option) == ("CMD", "python", "-c")
    return program
