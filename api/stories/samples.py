"""The story of a sample: fetched on the command line, then named by a task as `sample:NAME`."""

from pathlib import Path

from advisor.errors import DataInvalidError
from advisor.task import Task
from profiler.samples import Sample, samples

PREFIX = "sample:"
"""What a task's path begins with where it names a sample."""


def folder_in(data_dir: Path) -> Path:
    """Where the samples lie in the data folder."""
    return data_dir / "samples"


def task_to_send(sample: Sample, data_dir: Path | None) -> Task | None:
    """The sample's task, as it is sent over HTTP; None where its data was not fetched."""
    if data_dir is None or not (folder_in(data_dir) / sample.file_name).is_file():
        return None
    return sample.task(Path(PREFIX + sample.name))


def named(path: str, data_dir: Path) -> Path:
    """The file that `sample:NAME` names; raises DataInvalidError."""
    name, known = path.removeprefix(PREFIX), samples()
    if name not in known:
        raise DataInvalidError(f"there is no sample {name!r}; there is {', '.join(known)}")
    file = folder_in(data_dir) / known[name].file_name
    if not file.is_file():
        raise DataInvalidError(
            f"the data of sample {name!r} is not here; whoever runs the service fetches it: "
            f"softmax-advisor samples --fetch {name}"
        )
    return file
