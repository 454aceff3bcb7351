"""The sample tasks: real data that pip can bring, what it is, and where it comes from.

Nothing here is fetched unasked: only the command line calls `fetch`.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from advisor.errors import DataInvalidError
from advisor.task import Columns, DataSource, Horizon, Kind, Model, Task, Training

FETCH_LIMIT_SECONDS = 300


@dataclass(frozen=True)
class Sample:
    """One sample: what it is, and the file inside a wheel that holds it."""

    name: str
    kind: Kind
    title: str
    size: str
    n_bytes: int
    licence: str
    origin: str
    requirement: str
    member: str
    sha256: str
    task: Callable[[Path], Task]

    @property
    def file_name(self) -> str:
        return self.member.rpartition("/")[2]


def samples() -> dict[str, Sample]:
    """Every sample by its name."""
    ml_100k = Sample(
        name="ml-100k",
        kind="interactions",
        title="MovieLens 100K: which film a person rates next",
        size="100,000 ratings by 943 users of 1,682 films",
        n_bytes=1_979_230,
        licence="GroupLens MovieLens: research use, no redistribution, no commercial use without "
        "permission; cite Harper and Konstan, ACM TiiS 5(4), 2015",
        origin="the example data of the RecBole wheel on PyPI (recbole 1.2.1)",
        requirement="recbole==1.2.1",
        member="recbole/dataset_example/ml-100k/ml-100k.inter",
        sha256="4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
        task=_ml_100k_task,
    )
    return {ml_100k.name: ml_100k}


def fetch(name: str, cache_dir: Path) -> Path:
    """The sample's file, downloaded with pip once and kept in `cache_dir`.

    Raises DataInvalidError if there is no such sample, if pip cannot bring the wheel, or if the
    file is not, byte for byte, the one that was published.
    """
    known = samples()
    if name not in known:
        raise DataInvalidError(f"there is no sample {name!r}; there is {', '.join(known)}")
    sample = known[name]
    target = Path(cache_dir) / sample.file_name
    if target.is_file() and hashlib.sha256(target.read_bytes()).hexdigest() == sample.sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=target.parent) as folder:
        content = _member(sample, _download(sample, Path(folder)))
        unfinished = Path(folder) / sample.file_name
        unfinished.write_bytes(content)
        unfinished.replace(target)
    return target


def _ml_100k_task(path: Path) -> Task:
    columns = Columns(user="user_id", item="item_id", time="timestamp")
    return Task(
        name="ml-100k",
        kind="interactions",
        data=DataSource(path=str(path), format="inter", columns=columns),
        metric="ndcg@20",
        model=Model(embedding_dim=64),
        training=Training(batch_size=512),
        horizon=Horizon(epochs=20),
    )


def _download(sample: Sample, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(folder), sample.requirement]
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    failed = f"pip could not bring {sample.requirement} for the sample {sample.name!r}"
    try:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=FETCH_LIMIT_SECONDS,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise DataInvalidError(f"{failed}: no answer in {FETCH_LIMIT_SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["is a package index reachable?"]
        reason = next((line for line in lines if line.startswith("ERROR")), lines[-1])
        raise DataInvalidError(f"{failed}: {reason.removeprefix('ERROR: ')}") from error
    return next(folder.glob("*.whl"))


def _member(sample: Sample, wheel: Path) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(sample.member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise DataInvalidError(f"{wheel.name} does not hold {sample.member}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sample.sha256:
        raise DataInvalidError(
            f"{sample.member} of {wheel.name} is not the published file: "
            f"its sha256 is {found}, not {sample.sha256}"
        )
    return content
