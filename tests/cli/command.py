"""Runs the installed command as its user does: a process of its own, with its own data folder."""

import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

COMMAND = Path(sys.executable).with_name("softmax-advisor")
LIMIT_SECONDS = 120


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit status, what it wrote, and its seconds of CPU."""

    status: int
    stdout: str
    stderr: str
    cpu_seconds: float = 0.0


def environment(folder: Path) -> dict[str, str]:
    """Only what a command needs; one thread, so that tests beside each other do not wait."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "ADVISOR_DATA_DIR": str(folder / "advisor"), "ADVISOR_THREADS": "1"}


def run(folder: Path, *arguments: str | Path) -> Ended:
    """Run `softmax-advisor` in this folder."""
    before = _cpu_seconds_of_children()
    ended = subprocess.run(
        [COMMAND, *map(str, arguments)],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    cpu_seconds = _cpu_seconds_of_children() - before
    return Ended(ended.returncode, ended.stdout, ended.stderr, cpu_seconds)


def _cpu_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_task(folder: Path, **changes: str) -> Path:
    """A small task's file beside its data; a change replaces a line, "" leaves it out."""
    lines = {
        "name": "small shop",
        "data": "{path: orders.csv, columns: {user: user, item: item}}",
        "metric": "ndcg@10",
        "model": "{embedding_dim: 16}",
        "training": "{batch_size: 256}",
        "horizon": "{epochs: 5}",
        **changes,
    }
    file = folder / "task.yaml"
    file.write_text("".join(f"{key}: {value}\n" for key, value in lines.items() if value))
    return file
