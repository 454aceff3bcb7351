"""`serve`, `worker` and `db upgrade`: what runs for long, and what it runs on."""

from typing import Annotated

import typer


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port.")] = 8000,
) -> None:
    """Serve the HTTP interface; on SQLite this process also runs the calibrations.

    Its description is at /docs. On 127.0.0.1 nobody needs a key; on any other --host everybody
    does, and one must be there before it starts: softmax-advisor keys create
    """
    from api.app import serve as serve_http
    from api.commands.service import read_settings

    serve_http(read_settings(), host, port)


def worker(
    tag: Annotated[
        str | None,
        typer.Option(help="Run the calibrations with this device_tag; else ADVISOR_TAG, else cpu."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="The device slot, one process each: cpu0, cpu1; else ADVISOR_DEVICE_SLOT."
        ),
    ] = None,
) -> None:
    """Run queued calibrations on this machine, one leg at a time, until stopped.

    Needs a database that others reach: ADVISOR_DATABASE_URL=postgresql://...
    """
    from api.app import run_worker
    from api.commands.service import read_settings

    run_worker(read_settings(tag=tag, device_slot=device))


def upgrade() -> None:
    """Bring the database to this version; a SQLite file is copied beside itself first."""
    from api.app import upgrade_database
    from api.commands.service import read_settings

    upgrade_database(read_settings())
    typer.echo("the database is up to date")
