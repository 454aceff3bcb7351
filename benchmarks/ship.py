"""Write the ground truth's curves as the profiles that come with the program.

python -m benchmarks.ship
"""

import gzip
from pathlib import Path

from pydantic import TypeAdapter

import advisor
from advisor.evidence import Profile
from advisor.shipped import SHIPPED_FILE
from benchmarks.ground_truth import CURVES
from benchmarks.stored import stored_profiles

_DIGITS = 5  # of a value: more are noise


def main() -> None:
    names = sorted(f.stem for f in CURVES.glob("*.parquet"))
    profiles = [
        _rounded(p).model_copy(update={"id": f"shipped-{name}-{i}", "tenant": "shared"})
        for name in names
        for i, p in enumerate(stored_profiles(name))
    ]
    file = Path(advisor.__file__).with_name(SHIPPED_FILE)
    told = TypeAdapter(list[Profile]).dump_json(profiles, exclude_none=True)
    file.write_bytes(gzip.compress(told, mtime=0))
    print(f"{len(profiles)} profiles of {len(names)} tasks, {file.stat().st_size / 1e3:.0f} kB")


def _rounded(profile: Profile) -> Profile:
    points = tuple(
        p.model_copy(update={"value": float(f"{p.value:.{_DIGITS}g}")}) for p in profile.curve
    )
    return profile.model_copy(update={"curve": points})


if __name__ == "__main__":
    main()
