"""`data`: what a task's data holds, before anything is trained on it."""

from pathlib import Path
from typing import Annotated

import typer

from api.commands.look import AsJson


def data(
    task: Annotated[
        Path,
        typer.Argument(
            metavar="TASK.yaml", help="The task whose data is read.", show_default=False
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Read the data of TASK.yaml and say what is in it; nothing is trained.

    Sizes, skew, positives per row and the split, and what was guessed or dropped, and why. A
    calibration of the same task does not read the file again.
    """
    from api.commands.inputs import read_task
    from api.commands.output import console
    from api.commands.service import read_settings
    from api.tables import summary_table
    from profiler.prepare import summarise

    found = summarise(read_task(task), read_settings().workspace())
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        console().print(summary_table(found))
