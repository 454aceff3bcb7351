"""What whoever runs the service is told: metrics, logs, and whether it is ready."""

import gzip
import io
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from api.logs import about, logging_config
from api.settings import Settings
from store.engine import open_store
from tests.api.servers import site
from tests.databases import sqlite_url
from tests.store.examples import a_leg, a_report, prepared_calibration


def _samples(http: TestClient | httpx.Client) -> dict[tuple[str, ...], float]:
    """The page by a metric's name and its labels' values."""
    page = http.get("/metrics")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/plain; version=1.0.0")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
    }


def test_requests_are_measured_by_operation_and_status(http: TestClient) -> None:
    for path in ("/v1/losses", "/v1/losses", "/v1/losses/hinge", "/v1/x1", "/v1/x2"):
        http.get(path)
    found = _samples(http)
    counts = {k[1:]: n for k, n in found.items() if k[0] == "advisor_request_seconds_count"}
    assert counts == {("list_losses", "200"): 2, ("get_loss", "404"): 1, ("none", "404"): 2}
    assert 0 < found["advisor_request_seconds_sum", "list_losses", "200"] < 60
    assert found["process_resident_memory_bytes",] > 1e7


def test_calibrations_legs_and_workers_are_counted_wherever_they_are(
    http: TestClient, database_url: str
) -> None:
    store = open_store(database_url)
    ended, running = (prepared_calibration(store, tenant) for tenant in ("local", "shop"))
    store.calibrations.finish(ended, "succeeded")
    for until, outcome in ((100, "completed"), (200, "completed"), (300, "failed")):
        leg = a_leg(until=until)
        store.calibrations.lease(running, leg)
        report = a_report(leg, outcome=outcome)
        store.calibrations.tell(running, report.model_copy(update={"wall_seconds": until / 10}))
    store.workers.beat("host-cpu0", None, "cpu")
    store.close()
    found = _samples(http)
    assert found["advisor_calibrations", "cpu", "running"] == 1
    assert ("advisor_calibrations", "cpu", "succeeded") not in found
    assert found["advisor_workers", "cpu"] == 1
    assert found["advisor_leg_seconds_count", "completed"] == 2
    assert found["advisor_leg_seconds_sum", "completed"] == 30
    assert found["advisor_leg_seconds_bucket", "3.0", "completed"] == 0
    assert found["advisor_leg_seconds_bucket", "10.0", "completed"] == 1
    assert found["advisor_leg_seconds_bucket", "+Inf", "failed"] == 1


def test_a_request_keeps_the_id_that_it_comes_with_if_it_is_one(http: TestClient) -> None:
    given = http.get("/healthz", headers={"X-Request-ID": "trace-7"})
    assert given.headers["x-request-id"] == "trace-7"
    for other in ("", "a b", "x" * 65, "é".encode()):
        answer = http.get("/healthz", headers={"X-Request-ID": other})
        assert len(answer.headers["x-request-id"]) == 32


def test_a_line_of_the_log_is_json_with_the_ids_of_what_it_is_about() -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    config = logging_config(Settings(log_format="json"))
    handler.setFormatter(config["formatters"]["json"]["()"]())
    log = logging.Logger("api.somewhere")
    log.addHandler(handler)
    with about(calibration_id="c1"):
        log.warning("twice %s", 2)
        try:
            raise ValueError("no")
        except ValueError:
            log.exception("failed")
    log.error("later", extra={"status": 404, "authorization": "Bearer sa_x"})
    first, second, third = map(json.loads, written.getvalue().splitlines())
    said = (first["event"], first["level"], first["logger"])
    assert said == ("twice 2", "warning", "api.somewhere")
    assert first["calibration_id"] == second["calibration_id"] == "c1"
    assert second["exception"].endswith("ValueError: no")
    assert third["status"] == 404
    assert not {"calibration_id", "authorization"} & third.keys()


class _Collector(BaseHTTPRequestHandler):
    """Takes what an OpenTelemetry collector takes."""

    received: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        if self.headers["content-encoding"] == "gzip":
            content = gzip.decompress(content)
        self.received.append((self.path, content))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), _Collector) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_server_logs_traces_and_ends_within_ten_seconds_while_it_is_listened_to(
    tmp_path: Path, collector: HTTPServer
) -> None:
    endpoint = f"http://127.0.0.1:{collector.server_port}"
    with site(sqlite_url(tmp_path), tmp_path) as here:
        server = here.serve(ADVISOR_LOG_FORMAT="json", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
        calibration_id = here.calibrate(60, losses={"include": ["bpr"]})
        path = f"/v1/calibrations/{calibration_id}/events"
        with here.http.stream("GET", path, headers={"X-Request-ID": "listener"}) as stream:
            assert next(stream.iter_text()).startswith("event: ")
            server.process.terminate()
            server.process.wait(timeout=10)
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    requests = {line["request_id"]: line for line in lines if line["logger"] == "api.requests"}
    assert requests["listener"]["operation"] == "stream_events"
    assert requests["listener"]["path"] == path
    posted = next(line for line in requests.values() if line["method"] == "POST")
    assert (posted["status"], posted["tenant"]) == (202, "local")
    assert 0 < posted["seconds"] < 60
    assert {path for path, _ in _Collector.received} == {"/v1/traces"}
    spans = b"".join(content for _, content in _Collector.received)
    assert b"POST /v1/calibrations" in spans
    assert b"GET /v1/calibrations/{calibration_id}/events" in spans
