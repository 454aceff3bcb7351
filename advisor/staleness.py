"""Which evidence of an answer is stale: measured with other software, or on other hardware."""

from collections import Counter
from collections.abc import Sequence

from advisor.evidence import Device, Profile


def stale_warnings(
    profiles: Sequence[Profile], device: Device | None, used_ids: Sequence[str]
) -> tuple[str, ...]:
    """One sentence per way in which profiles that the answer rests on differ from the device."""
    if device is None:
        return ()
    used = [p for p in profiles if p.id in set(used_ids) and p.device.id != device.id]
    counts = Counter(_difference(p.device, device) for p in used)
    return tuple(
        f"{n} of the {len(used_ids)} profiles that this rests on "
        f"{'is' if n == 1 else 'are'} stale: measured {difference}"
        for difference, n in counts.most_common()
    )


def _difference(there: Device, here: Device) -> str:
    if there.name != here.name or there.kind != here.kind:
        return (
            f"on other hardware ({there.name}; here {here.name}), so their seconds and bytes "
            "need not hold."
        )
    names = sorted(there.software.keys() | here.software.keys())
    changed = [
        f"{name} {there.software.get(name, 'none')}, here {here.software.get(name, 'none')}"
        for name in names
        if there.software.get(name) != here.software.get(name)
    ]
    if changed:
        return f"with other software ({'; '.join(changed)}), so a new calibration may differ."
    return (
        f"with {there.memory_bytes / 2**30:.0f} GiB of memory, here "
        f"{here.memory_bytes / 2**30:.0f} GiB."
    )
