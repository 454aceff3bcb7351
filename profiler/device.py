"""Device: what this process measures on; the fingerprint names hardware, threads and software."""

import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path

import psutil

from advisor.evidence import Device


def this_device(n_threads: int | None = None) -> Device:
    """The CPU of this machine with `n_threads` threads (default: the cores it may run on)."""
    threads = n_threads or len(psutil.Process().cpu_affinity() or [0])
    software = {
        "python": platform.python_version(),
        "torch": version("torch"),
        "system": f"{platform.system()} {platform.machine()}",
    }
    memory_bytes = psutil.virtual_memory().total
    # Whole GiB: the same machine reports a few pages more or less after an update of its kernel.
    parts = [_cpu_name(), threads, round(memory_bytes / 2**30), software]
    return Device(
        id=hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16],
        name=f"{_cpu_name()}, {threads} threads",
        kind="cpu",
        n_threads=threads,
        memory_bytes=memory_bytes,
        software=software,
    )


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.split(":", 1)[1].split())
    return platform.processor() or platform.machine()
