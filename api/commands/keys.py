"""`keys`: made, listed and revoked, on the machine that reaches the database."""

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from datetime import datetime

_DAY_SECONDS = 86400
_NEVER = "never"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]


def create(
    tenant: Annotated[
        str, typer.Option(help="Whose key it is: what a tenant stores, no other one sees.")
    ] = "local",
    scope: Annotated[
        Literal["read", "calibrate", "admin"],
        typer.Option(
            help="read: look, and ask for answers at once; calibrate: also calibrate, upload and "
            "change; admin: also share profiles with all tenants, and read /metrics."
        ),
    ] = "calibrate",
    expires: Annotated[str, typer.Option(help="How long it lets in: 90d, 12h or never.")] = "365d",
    name: Annotated[str, typer.Option(help="What it is for; for you to read in the list.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once: only a hash of it is kept.

    Whoever asks the server sends it as a header, 'Authorization: Bearer KEY' or 'X-API-Key: KEY'.
    """
    from api.commands.service import opened, read_settings

    expires_at = _moment(expires)
    _check_words(tenant, name)
    with opened(read_settings()) as service:
        made = service.store.access.create(tenant, scope, name, expires_at)
    if as_json:
        typer.echo(json.dumps(made.key.model_dump(mode="json") | {"key": made.text}, indent=2))
        return
    typer.echo(made.text)
    until = "for good" if expires_at is None else f"until {expires_at:%Y-%m-%d %H:%M} UTC"
    words = f"key {made.key.id} of tenant {tenant!r}, scope {scope}, {until}; it is not shown again"
    typer.echo(words, err=True)


def list_keys(
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the keys, the newest first, without their secrets."""
    from api.commands.output import console
    from api.commands.service import opened, read_settings
    from api.tables import keys_table

    with opened(read_settings()) as service:
        found = service.store.access.list(tenant)
    if as_json:
        typer.echo(json.dumps([key.model_dump(mode="json") for key in found], indent=2))
    elif found:
        console().print(keys_table(found))
    else:
        typer.echo("there is no key; make one: softmax-advisor keys create")


def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, as `keys list` shows it.")],
) -> None:
    """Let a key in no more, from the next request on."""
    from api.commands.service import opened, read_settings

    with opened(read_settings()) as service:
        key = service.store.access.revoke(key_id)
    typer.echo(f"key {key.id} of tenant {key.tenant!r} lets nobody in any more")


def _moment(expires: str) -> "datetime | None":
    from datetime import timedelta

    from advisor.errors import TaskInvalidError
    from store.columns import now

    text = expires.strip().lower()
    if text == _NEVER:
        return None
    number, unit = text[:-1], text[-1:]
    seconds = {"d": _DAY_SECONDS, "h": 3600}.get(unit, 0) * (
        int(number) if _is_count(number) else 0
    )
    if not 0 < seconds <= 36500 * _DAY_SECONDS:
        raise TaskInvalidError(
            f"expires: {expires!r} is no time to come; write for instance 90d, 12h or never"
        )
    return now() + timedelta(seconds=seconds)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _check_words(tenant: str, name: str) -> None:
    from advisor.errors import TaskInvalidError
    from store.access import TENANT

    if TENANT.fullmatch(tenant) is None:
        raise TaskInvalidError(
            f"tenant: {tenant!r} is not 1 to 31 small letters, digits and hyphens"
        )
    if len(name) > 200 or not name.isprintable():
        raise TaskInvalidError("name: at most 200 characters that can be printed")
