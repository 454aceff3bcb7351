"""Readers: a file as the user has it becomes a frame of the columns a task needs, and notes.

One file per format (`csv`, `tsv`, `inter`, `parquet`; `tokens` for text); rows with labels come
from `arrays` (npz, npy), `svmlight` and `labelled_table`. polars, scipy and scikit-learn are
imported only inside functions. Readers import `advisor`, never torch and nothing else of the
profiler.
"""

from profiler.readers.formats import format_of
from profiler.readers.table import Table, read_table

__all__ = ["Table", "format_of", "read_table"]
