"""The example's package with a loss of one's own, installed as its user installs it."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.house.repository import ROOT

PACKAGE = ROOT / "examples" / "own_loss"
NAME = "focal_softmax"


def installed(folder: Path) -> Path:
    """A folder to put on the path, which the package was built and installed into."""
    copy, target = folder / "own_loss", folder / "installed"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--target", str(target), str(copy)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return target
