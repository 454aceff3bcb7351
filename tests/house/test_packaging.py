"""What is shipped: the wheel's content, the pinned versions, and no trace of anyone's machine."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.repository import PACKAGES, ROOT, text, tracked_files

# A person's or a machine's folder, and a package registry's address, have no place in a project.
PERSONAL = re.compile(
    rb"(?<![\w.~-])/(?:home|root|Users|work)/\w|[A-Z]:\\Users\\|\bpypi\.org/simple"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names inside the wheel, built from a copy so that no build folder is left here."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in (*PACKAGES, "tests", "benchmarks"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", str(target), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (file,) = target.glob("*.whl")
    return zipfile.ZipFile(file).namelist()


def test_the_wheel_holds_exactly_our_four_packages(wheel: list[str]) -> None:
    here = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {name for name in wheel if ".dist-info/" not in name} == here


def test_the_wheel_carries_the_licence(wheel: list[str]) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)
    assert "Apache License" in text("LICENSE")


def test_every_direct_dependency_is_pinned_within_its_range() -> None:
    pinned = {
        canonicalize_name(pin.name): next(iter(pin.specifier)).version
        for pin in map(Requirement, _lines("constraints.txt"))
    }
    project = tomllib.loads(text("pyproject.toml"))["project"]
    extras = project["optional-dependencies"].values()
    for wanted in map(Requirement, [*project["dependencies"], *(r for e in extras for r in e)]):
        assert wanted.specifier.contains(pinned[canonicalize_name(wanted.name)]), wanted


def test_every_constraint_is_one_exact_public_version() -> None:
    for pin in map(Requirement, _lines("constraints.txt")):
        (specifier,) = pin.specifier
        assert specifier.operator == "=="
        assert "+" not in specifier.version


def test_no_tracked_file_holds_a_path_of_someones_machine() -> None:
    found = [
        f"{file.relative_to(ROOT)}: {match.group().decode()}"
        for file in tracked_files()
        for match in PERSONAL.finditer(file.read_bytes())
    ]
    assert not found


def test_ci_runs_what_a_developer_runs() -> None:
    assert text(".ci/run").rstrip().endswith("make lint test")
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def _lines(name: str) -> list[str]:
    return [line for line in text(name).splitlines() if line and not line.startswith("#")]
