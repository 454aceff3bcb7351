"""Workspace: where calibrations keep datasets and trial states, and what a leg may use."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from advisor.evidence import Device
from profiler.device import this_device


@dataclass(frozen=True)
class Workspace:
    """A data folder, the device slot that is locked while a leg runs, and the limits of a leg."""

    data_dir: Path
    device: Device = field(default_factory=this_device)
    device_slot: str = "cpu0"
    memory_limit_bytes: float | None = None

    @classmethod
    def temporary(cls) -> "Workspace":
        """A fresh folder under the system's temporary one; the caller removes it."""
        return cls(Path(tempfile.mkdtemp(prefix="softmax-advisor-")))

    @property
    def datasets_dir(self) -> Path:
        return self.data_dir / "datasets"

    def states_dir(self, task_fingerprint: str) -> Path:
        """Trial states of a task on this device."""
        return self.data_dir / "states" / f"{task_fingerprint}-{self.device.id}"
