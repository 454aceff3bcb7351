"""The sample tasks: what is said of them, and the fetching, checked and cached."""

import hashlib
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.errors import DataInvalidError
from profiler import samples as module
from profiler.dataset import prepare_dataset
from profiler.sample_files import cities_by_region, standard_library
from profiler.samples import fetch, samples

CONTENT = b"user_id:token\titem_id:token\n1\t2\n"


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A stand-in for ml-100k, its wheel beside it; `pip` is a function that copies the wheel."""
    sample = replace(samples()["ml-100k"], sha256=hashlib.sha256(CONTENT).hexdigest())
    wheel = tmp_path / "recbole-1.2.1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(sample.member, CONTENT)
    calls = []

    def download(sample, folder):
        calls.append(sample.requirement)
        return Path(folder / wheel.name).write_bytes(wheel.read_bytes()) and folder / wheel.name

    monkeypatch.setattr(module, "samples", lambda: {"ml-100k": sample})
    monkeypatch.setattr(module, "_download", download)
    return wheel, calls


def test_every_sample_says_what_it_is_and_makes_its_task():
    for name, sample in samples().items():
        assert sample.name == name
        assert all((sample.title, sample.size, sample.licence, sample.origin))
        assert sample.task(Path("somewhere.inter")).data.path == "somewhere.inter"
    task = samples()["ml-100k"].task(Path("x"))
    assert (task.metric, task.model.embedding_dim, task.training.batch_size) == ("ndcg@20", 64, 512)
    assert task.horizon.epochs == 20


def test_fetching_twice_downloads_once(small, tmp_path):
    _, calls = small
    first = fetch("ml-100k", tmp_path / "cache")
    assert fetch("ml-100k", tmp_path / "cache") == first
    assert first.read_bytes() == CONTENT
    assert calls == ["recbole==1.2.1"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["ml-100k.inter"]


def test_a_damaged_copy_in_the_cache_is_fetched_again(small, tmp_path):
    path = fetch("ml-100k", tmp_path)
    path.write_bytes(b"half of i")
    assert fetch("ml-100k", tmp_path).read_bytes() == CONTENT
    assert len(small[1]) == 2


def test_another_content_than_the_published_one_is_refused(small, tmp_path):
    wheel, _ = small
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(samples()["ml-100k"].member, b"other")
    with pytest.raises(DataInvalidError, match="is not the published file: the sha256 of"):
        fetch("ml-100k", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_wheel_without_the_file_is_refused(small, tmp_path):
    with zipfile.ZipFile(small[0], "w") as archive:
        archive.writestr("other", b"")
    with pytest.raises(DataInvalidError, match=r"does not hold recbole/dataset_example"):
        fetch("ml-100k", tmp_path)


def test_an_unknown_sample_is_named_with_those_there_are(tmp_path):
    with pytest.raises(DataInvalidError, match="no sample 'ml-1b'; there is ml-100k"):
        fetch("ml-1b", tmp_path)


def test_pip_without_a_registry_ends_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with pytest.raises(DataInvalidError, match=r"^pip could not bring recbole==1\.2\.1 .*: .+$"):
        fetch("ml-100k", tmp_path)


CITIES = {
    str(number): {"name": name, "countrycode": country, "admin1code": region}
    for number, (name, country, region) in enumerate(
        [
            *(("Aa", "FR", "84"), ('B "b", c', "FR", "84"), ("Çç", "FR", "84")),
            *(("Dd", "DE", "84"), ("Ee", "FR", ""), ("Aa", "FR", "84")),
        ]
    )
}


def test_cities_are_told_by_region_without_small_ones():
    content = cities_by_region(json.dumps(CITIES).encode()).decode()
    assert content == 'name,region\nAa,FR.84\n"B ""b"", c",FR.84\nÇç,FR.84\nAa,FR.84\n'


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"1": {}}', b'{"1": 2}'])
def test_another_file_of_cities_is_refused(content):
    with pytest.raises(DataInvalidError, match="cities is not the one that is known"):
        cities_by_region(content)


def test_the_standard_library_is_read_in_the_order_of_names(tmp_path):
    for name, text in (("b.py", b"b = 1\n"), ("a.py", b"# \xff\n"), ("c.txt", b"c")):
        (tmp_path / name).write_bytes(text)
    assert standard_library(tmp_path).decode() == "# \ufffd\n\nb = 1\n"
    with pytest.raises(DataInvalidError, match="no source of its standard library in"):
        standard_library(tmp_path / "none")


def test_python_stdlib_needs_no_download_and_is_a_text(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    path = fetch("python-stdlib", tmp_path)
    task = samples()["python-stdlib"].task(path)
    prepared = prepare_dataset(task.data, str(tmp_path), task.kind, task.model)
    assert prepared.statistics.n_classes > 5000
    assert prepared.statistics.n_examples * prepared.statistics.targets_per_example > 300_000
    assert fetch("python-stdlib", tmp_path) == path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n_rows", "n_classes", "n_examples"),
    [
        ("ml-100k", 943, 1682, 79_926),
        ("ml-100k-sequences", 943, 1682, None),
        ("geonames", 0, 2734, None),
    ],
)
def test_a_sample_comes_from_its_wheel_and_becomes_a_dataset(
    tmp_path, name, n_rows, n_classes, n_examples
):
    try:
        path = fetch(name, tmp_path)
    except DataInvalidError as error:
        if "pip could not bring" not in str(error):
            raise
        pytest.skip(f"no package index: {error}")
    task = samples()[name].task(path)
    found = prepare_dataset(task.data, str(tmp_path), task.kind, task.model).statistics
    assert found.n_classes == n_classes
    assert n_rows in (0, found.n_rows)
    assert n_examples in (None, found.n_examples)


def test_it_imports_neither_torch_nor_polars():
    script = (
        "import sys, profiler.samples, profiler.dataset\n"
        "assert not {'torch', 'polars', 'recbole'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
