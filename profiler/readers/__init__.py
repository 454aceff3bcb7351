"""Readers: a file as the user has it becomes a frame of the columns a task needs, and notes.

One file per format (`csv`, `tsv`, `inter`, `parquet`); polars is imported only inside functions.
Readers import `advisor` and polars, never torch and nothing else of the profiler.
"""

from profiler.readers.formats import format_of
from profiler.readers.interactions import Interactions, read_interactions

__all__ = ["Interactions", "format_of", "read_interactions"]
