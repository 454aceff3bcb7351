"""Which format a file is in: as the task says, else by the file's ending."""

from pathlib import PurePath
from typing import get_args

from advisor.errors import DataInvalidError
from advisor.task import DataSource, Format

ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "tsv",
    ".tsv.gz": "tsv",
    ".inter": "inter",
    ".inter.gz": "inter",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "text",
    ".txt.gz": "text",
    ".npz": "npz",
    ".npy": "npy",
    ".svm": "svmlight",
    ".svm.gz": "svmlight",
    ".svmlight": "svmlight",
    ".svmlight.gz": "svmlight",
    ".libsvm": "svmlight",
    ".libsvm.gz": "svmlight",
}


def format_of(source: DataSource) -> Format:
    """The format of the source; raises DataInvalidError for an ending that is not known."""
    if source.format is not None:
        return source.format
    name = PurePath(source.path).name.lower()
    for ending, file_format in ENDINGS.items():
        if name.endswith(ending):
            return file_format
    raise DataInvalidError(
        f"{source.path!r} has no known ending; known are {', '.join(ENDINGS)}, "
        f"or say data.format: {', '.join(get_args(Format))}"
    )
