"""The demo's task, and a similar one as a file to try next."""

from pathlib import Path

import typer
import yaml

from advisor.task import Task
from api import wording
from profiler.samples import fetch, samples

_SIMILAR_DIM = 32


def demo_tasks(name: str, folder: Path) -> tuple[Task, Path]:
    """The sample's task, fetched if need be, and the file of a smaller model on the same data."""
    sample = samples().get(name)
    if sample is not None and sample.requirement and not (folder / sample.file_name).is_file():
        typer.echo(
            f"fetching {name} ({wording.size(sample.n_bytes)}) with pip, from {sample.origin}; "
            f"licence: {sample.licence}",
            err=True,
        )
    file = fetch(name, folder)
    task = samples()[name].task(file)
    model = task.model.model_copy(update={"embedding_dim": _SIMILAR_DIM})
    similar = task.model_copy(update={"name": f"{name}-{_SIMILAR_DIM}", "model": model})
    file = folder / f"{similar.name}.yaml"
    body = similar.model_dump(mode="json", exclude_unset=True)
    body |= {"name": similar.name, "model": model.model_dump(exclude_defaults=True)}
    file.write_text(yaml.safe_dump(body, sort_keys=False), encoding="utf-8")
    return task, file
