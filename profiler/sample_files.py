"""The files of samples that are no data as they stand: made the same way, byte for byte, each time.

Neither needs more than the standard library.
"""

import csv
import io
import json
import sysconfig
from collections import Counter
from pathlib import Path

from advisor.errors import DataInvalidError

_LEAST_CITIES = 3  # of a region that is a class


def cities_by_region(content: bytes) -> bytes:
    """A csv of city names and their country.region, in the order of GeoNames' cities1000.json."""
    try:
        cities = [
            (city["name"], f"{city['countrycode']}.{city['admin1code']}")
            for city in json.loads(content).values()
            if city["admin1code"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataInvalidError("the file of cities is not the one that is known") from error
    counts = Counter(region for _, region in cities)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", "region"))
    writer.writerows(row for row in cities if counts[row[1]] >= _LEAST_CITIES)
    return text.getvalue().encode()


def standard_library(folder: Path | None = None) -> bytes:
    """The source of this interpreter's own top-level modules, one after the other by name."""
    folder = folder or Path(sysconfig.get_paths()["stdlib"])
    sources = [path.read_text("utf-8", "replace") for path in sorted(folder.glob("*.py"))]
    if not sources:
        raise DataInvalidError(f"this Python has no source of its standard library in {folder}")
    return "\n".join(sources).encode()
