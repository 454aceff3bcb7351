"""The repository's own files, for tests that hold what they say to what is there."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("advisor", "api", "profiler", "store")


def text(name: str) -> str:
    """A file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def tracked_files() -> list[Path]:
    """What git tracks; the test skips where there is no git or no clone."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("git tells which files are ours, and there is none here")
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    names = listed.decode().rstrip("\0").split("\0")
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def module_files(folder: Path) -> list[Path]:
    """The modules directly in a folder, `__init__` left out."""
    return sorted(file for file in folder.glob("*.py") if file.stem != "__init__")


def subfolders(folder: Path) -> list[Path]:
    """The folders directly in a folder that hold something of ours."""
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.is_dir() and entry.name != "__pycache__" and any(entry.rglob("*.*"))
    )
