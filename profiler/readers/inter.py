"""RecBole's atomic .inter file: tab separated, never quoted, header fields like `user_id:token`.

A column is known by its name with or without the type after the colon.
"""

from functools import partial

from profiler.readers import delimited

column_names = partial(delimited.column_names, separator="\t", quote=None)
head = partial(delimited.head, separator="\t", quote=None)
read = partial(delimited.read, separator="\t", quote=None)


def without_type(name: str) -> str:
    """`user_id:token` -> `user_id`."""
    return name.rpartition(":")[0] or name
