"""Service: what every story works with; made once by whoever starts the program."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from advisor.calibration import Prepared
from advisor.evidence import Device, Profile
from advisor.prior import Bank
from api.stories.remembered import Remembered
from profiler.workspace import Workspace
from store.engine import Store
from store.recommendations import AnswerText

LOCAL = "local"
"""The tenant of everyone who needs no key."""
COMMAND_LINE_TAG = "command-line"
"""The device tag of calibrations that the command line runs itself; no worker may take them."""
EXTERNAL_TAG = "external"
"""The device tag of calibrations whose legs are trained elsewhere, by ask and tell."""


@dataclass(frozen=True)
class UploadLimits:
    """What may be sent: one file, all files of a tenant, and how long they are kept."""

    bytes_max: int = 2 * 2**30
    quota_bytes: int = 20 * 2**30
    days: float | None = None
    """None keeps them until they are deleted."""


@dataclass(frozen=True)
class Evidence:
    """Profiles that an answer rests on, and what is known of other tasks by them and ours."""

    profiles: tuple[Profile, ...]
    bank: Bank


@dataclass(frozen=True)
class Service:
    """The memory and the laboratory.

    `data_root` is the only folder that a task's path may name; None allows every path, which is
    for the local command line only.
    """

    store: Store
    workspace: Workspace
    data_root: Path | None = None
    budget_seconds_max: float = 86400.0
    n_open_max: int | None = None
    uploads: UploadLimits = UploadLimits()
    money_per_hour: Mapping[str, float] = field(default_factory=dict[str, float])
    """Of devices by their id, else of all of a kind (cpu, cuda)."""
    # Some 60 kB each, and some 5 MB.
    answers: Remembered[AnswerText] = field(default_factory=lambda: Remembered(128))
    prepared: Remembered[Prepared] = field(default_factory=lambda: Remembered(128))
    evidence: Remembered[Evidence] = field(default_factory=lambda: Remembered(4))

    def price(self, device: Device) -> float | None:
        """Money per hour of a device, where it is set."""
        return self.money_per_hour.get(device.id, self.money_per_hour.get(device.kind))
