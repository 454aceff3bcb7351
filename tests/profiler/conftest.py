"""A small prepared task, read once per session."""

from pathlib import Path

import pytest

from advisor.calibration import Prepared
from profiler.device import this_device
from profiler.prepare import prepare
from profiler.workspace import Workspace
from tests.small_data import small_task, write_interactions


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("workspace"), device=this_device(1))


@pytest.fixture(scope="session")
def prepared(workspace: Workspace) -> Prepared:
    path = write_interactions(Path(workspace.data_dir) / "pairs.csv")
    return prepare(small_task(path), workspace)
