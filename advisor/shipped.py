"""The profiles that come with the program: all settings of all losses on real tasks, by us.

They are what is known before anything of one's own is stored; benchmarks/ground_truth.py trained
them, and benchmarks/ship.py wrote the file.
"""

import gzip
from functools import lru_cache
from importlib.resources import files

from pydantic import TypeAdapter

from advisor.evidence import Profile
from advisor.prior import Bank

SHIPPED_FILE = "shipped_profiles.json.gz"


@lru_cache(maxsize=1)
def shipped_profiles() -> tuple[Profile, ...]:
    """All of them, read once; shared with every tenant."""
    packed = files("advisor").joinpath(SHIPPED_FILE).read_bytes()
    return TypeAdapter(tuple[Profile, ...]).validate_json(gzip.decompress(packed))


def shipped_profile(id: str) -> Profile | None:
    """The shipped profile of this id, as answers name it; None if there is none."""
    return next((p for p in shipped_profiles() if p.id == id), None)


@lru_cache(maxsize=1)
def shipped_bank() -> Bank:
    """The bank of the shipped profiles."""
    return Bank.of(shipped_profiles())
