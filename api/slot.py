"""A device slot: one process holds it, and it names the worker and the crew that may help it."""

import fcntl
import hashlib
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TextIO
from uuid import uuid4

from advisor.errors import AdvisorError
from api.settings import Settings
from api.stories.helping import Crew


class SlotTakenError(AdvisorError):
    """Another process serves this device slot; give this one another ADVISOR_DEVICE_SLOT."""


def taken_slot(settings: Settings) -> TextIO:
    """Hold the slot until this process ends: two with one id would steal each other's work.

    Raises SlotTakenError.
    """
    folder = _folder(settings)
    lock = open(folder / f"{settings.device_slot}.lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise SlotTakenError(
            f"another process serves the device slot {settings.device_slot!r} of "
            f"{settings.data_dir}; give this one another ADVISOR_DEVICE_SLOT"
        ) from None
    return lock


def worker_id(settings: Settings) -> str:
    """The same after every restart, and no other process has it: see `taken_slot`."""
    folder = hashlib.sha256(str(settings.data_dir).encode()).hexdigest()[:6]
    return f"{socket.gethostname()}-{settings.device_slot}-{folder}"


def crew_of(settings: Settings, device_id: str) -> Crew:
    """Those with this one's tag, data folder and an equal device, on whatever machines."""
    name = f"{settings.tag} {device_id} {_folder_id(_folder(settings))}"
    return Crew(name, worker_id(settings), settings.dead_after_seconds)


def _folder(settings: Settings) -> Path:
    folder = settings.data_dir / "workers"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _folder_id(folder: Path) -> str:
    """The same for all who see this folder, by whatever path; made by who comes first."""
    file = folder / "folder.id"
    if not file.exists():
        own = folder / f"{uuid4().hex}.partial"
        own.write_text(own.stem)
        with suppress(FileExistsError):
            os.link(own, file)  # whole, or not at all
        own.unlink()
    return file.read_text()
