"""What is written into the data folder, and a disk that has no room for it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from advisor.errors import StorageFullError


@contextmanager
def disk_may_be_full() -> Iterator[None]:
    """Raise StorageFullError where the disk, or what its owner may use of it, is full."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError from error
        raise
