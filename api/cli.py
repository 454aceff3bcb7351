"""The command line, `softmax-advisor`: which commands there are, and how a failure leaves.

Exit status 0: answered; 2: bad input, one sentence per fault; 1: failure. Nothing heavy is
imported before a command needs it, so `--help` is there at once.
"""

import io
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from api.commands import answer, data, keys, look, run

ANSWERED, FAILED, BAD_INPUT = 0, 1, 2

app = typer.Typer(
    name="softmax-advisor",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
key_ring = typer.Typer(help="Let tenants in, and out again.", rich_markup_mode="markdown")
database = typer.Typer(help="Look after the database.", rich_markup_mode="markdown")

app.command("demo")(answer.demo)
app.command("recommend")(answer.recommend)
app.command("data")(data.data)
app.command("losses")(look.losses)
app.command("profiles")(look.profiles)
app.command("devices")(look.devices)
app.command("samples")(look.samples)
app.command("serve")(run.serve)
app.command("worker")(run.worker)
key_ring.command("create")(keys.create)
key_ring.command("list")(keys.list_keys)
key_ring.command("revoke")(keys.revoke)
app.add_typer(key_ring, name="keys")
database.command("upgrade")(run.upgrade)
app.add_typer(database, name="db")


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.")
    ] = False,
) -> None:
    """Which Softmax-family loss should you train with, at what cost, and how sure is that?

    Start with **softmax-advisor demo**: two minutes on a real sample task.

    Settings come from the environment: ADVISOR_DATA_DIR (datasets, trial states and, by default,
    the database; ~/.softmax-advisor), ADVISOR_DATABASE_URL, ADVISOR_THREADS and others.
    """
    if show_version:
        typer.echo(version("softmax-advisor"))
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@key_ring.callback(invoke_without_command=True)
@database.callback(invoke_without_command=True)
def _group(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a narrow encoding must not end the answer
    try:
        given = None if arguments is None else list(arguments)
        status = app(given, prog_name="softmax-advisor", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return _leave("aborted", FAILED)
    except Exception as error:
        return _failure(error)
    return status if isinstance(status, int) else ANSWERED


def _failure(error: Exception) -> int:
    # The command line's own errors (an unknown option, a missing argument) say what is wrong.
    words = getattr(error, "format_message", None)
    if words is not None:
        return _leave(" ".join(words().split()), BAD_INPUT)

    from sqlalchemy.exc import DBAPIError

    from advisor import errors

    bad = (
        errors.TaskInvalidError,
        errors.UnknownLossError,
        errors.NotFoundError,
        errors.PageInvalidError,
    )
    if isinstance(error, bad):
        return _leave(str(error), BAD_INPUT)
    if isinstance(error, errors.AdvisorError):
        return _leave(str(error), FAILED)
    if isinstance(error, DBAPIError):
        return _leave(f"the database does not answer: {error.orig}", FAILED)
    if isinstance(error, OSError):
        return _leave(str(error), FAILED)
    traceback.print_exception(error)
    return _leave(f"failed unexpectedly: {type(error).__name__}: {error}", FAILED)


def _leave(sentence: str, status: int) -> int:
    typer.echo(f"softmax-advisor: {sentence}", err=True)
    return status
