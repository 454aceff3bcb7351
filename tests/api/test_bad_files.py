"""Bad files of real people: one clear sentence each, the same on the command line and over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from api.cli import main
from api.settings import Settings
from profiler.isolation import wait_for_server
from tests.api.in_process import Client, in_process
from tests.bad_files import BAD_FILES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    wait_for_server()  # from then on the children that read files are forked: .03 s for .3
    with in_process(Settings(data_dir=tmp_path_factory.mktemp("bad"))) as client:
        yield client


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_bad_file_is_refused_in_one_sentence_on_the_command_line_and_over_http(
    what: str, client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, folder = BAD_FILES[what], Path(client.service.workspace.data_dir)
    task = bad.write(folder)
    answer = client.post("/v1/recommendations", json={"task": task})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:softmax-advisor:problem:data-invalid"
    assert bad.says in problem["detail"]
    assert "\n" not in problem["detail"]

    monkeypatch.chdir(folder)
    monkeypatch.setenv("ADVISOR_DATA_DIR", str(folder / "advisor"))
    Path("task.yaml").write_text(yaml.safe_dump(task))
    assert main(["recommend", "task.yaml"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    # There a path is named whole, which over HTTP is nobody's business.
    assert told.err.replace(f"{folder}/", "") == f"softmax-advisor: {problem['detail']}\n"
