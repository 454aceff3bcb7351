"""`losses`, `profiles`, `devices`, `samples`: what is known, to read or as JSON."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.value import Value

_PAGE = 1000
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]


def losses(
    name: Annotated[
        str | None, typer.Argument(help="One loss, with all that is claimed of it.")
    ] = None,
    source: Annotated[
        bool,
        typer.Option("--source", help="Print the loss's layer: one file that needs only torch."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the losses; with a NAME, show its card or its source.

    softmax-advisor losses rg2 --source > rg2.py
    """
    from advisor.catalogue import known_loss, known_losses
    from advisor.errors import TaskInvalidError
    from api.commands.output import console
    from api.schemas import Loss
    from api.stories import browse
    from api.tables import loss_card, losses_table

    if source and name is None:
        raise TaskInvalidError("--source: name the loss whose source you want")
    if source and as_json:
        raise TaskInvalidError("--source: the source is Python, not JSON; leave --json out")
    if name is None:
        found = list(known_losses().values())
        if as_json:
            _print_json(map(Loss.of, found))
        else:
            console().print(losses_table(found))
            typer.echo("\nMore on one of them: softmax-advisor losses NAME")
    elif source:
        typer.echo(browse.source(name), nl=False)
    elif as_json:
        typer.echo(Loss.of(known_loss(name)).model_dump_json(indent=2))
    else:
        console().print(loss_card(known_loss(name)))


def profiles(
    loss: Annotated[str | None, typer.Option(help="Only of this loss.")] = None,
    task: Annotated[str | None, typer.Option(help="Only of the task with this name.")] = None,
    metric: Annotated[str | None, typer.Option(help="Only of this metric: ndcg@20.")] = None,
    device: Annotated[str | None, typer.Option(help="Only of the device with this id.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 100,
    as_json: AsJson = False,
    parquet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write all that match to a Parquet file, curves too."),
    ] = None,
) -> None:
    """List what was measured: one profile per loss, settings, task and device."""
    from api.commands.output import console
    from api.commands.service import opened, read_settings
    from api.stories.service import LOCAL
    from api.tables import profiles_table
    from store.profile_listing import ProfileFilter

    wanted = ProfileFilter(loss=loss, task_name=task, metric=metric, device_id=device)
    with opened(read_settings()) as service:
        from api.commands.profile_file import write_parquet
        from api.stories.export import every_profile

        every = every_profile(service, LOCAL, wanted)
        if parquet is not None:
            n_written = write_parquet(every, parquet)
            typer.echo(f"{n_written} profiles: {parquet}", err=True)
            return
        found = [profile for profile, _ in zip(every, range(limit), strict=False)]
    if as_json:
        _print_json(found)
    elif found:
        console().print(profiles_table(found))
    else:
        typer.echo("no profile matches; a calibration stores some: softmax-advisor demo")


def devices(as_json: AsJson = False) -> None:
    """List the devices that something was measured on, and which of them this one is."""
    from api.commands.output import console
    from api.commands.service import opened, read_settings
    from api.tables import devices_table

    with opened(read_settings()) as service:
        found, here = service.store.evidence.devices(None), service.workspace.device
    if as_json:
        _print_json(found)
        return
    known = found if here in found else [here, *(d for d in found if d.id != here.id)]
    console().print(devices_table(known, here))


def samples(
    as_json: AsJson = False,
    fetch: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Bring the data of one, for the page and the API."),
    ] = None,
) -> None:
    """List the sample tasks: real data that can be fetched, with its licence and origin."""
    from api.commands.output import console
    from api.commands.service import read_settings
    from api.schemas import SampleTask
    from api.stories.samples import folder_in, task_to_send
    from api.tables import samples_table
    from profiler.samples import fetch as fetch_sample
    from profiler.samples import samples as known_samples

    data_dir, found = read_settings().data_dir, list(known_samples().values())
    if fetch is not None:
        typer.echo(fetch_sample(fetch, folder_in(data_dir)))
    elif as_json:
        _print_json(SampleTask.of(sample, task_to_send(sample, data_dir)) for sample in found)
    else:
        console().print(samples_table(found))


def _print_json(values: "Iterable[Value]") -> None:
    items = [value.model_dump(mode="json") for value in values]
    typer.echo(json.dumps(items, indent=2, ensure_ascii=False))
