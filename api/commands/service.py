"""What the commands work with: the settings, the store and the laboratory of this machine."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from advisor.errors import TaskInvalidError
from api.commands.inputs import faults
from api.settings import Settings
from api.stories.service import Service
from store.engine import open_store


def read_settings(**given: object) -> Settings:
    """The settings of the environment, with those `given` that are not None.

    Raises TaskInvalidError, one line per variable that is wrong.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        lines = [f"setting {line}" for line in faults(error, Settings)]
        raise TaskInvalidError("\n".join(lines)) from error


@contextmanager
def opened(settings: Settings) -> Iterator[Service]:
    """The service over this store and device; a path of a task may name any file here.

    Raises TaskInvalidError if the database's URL is none.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        store = open_store(settings.database_url)
    except ValueError as error:
        raise TaskInvalidError(f"setting database_url: {error}") from error
    try:
        yield Service(
            store=store,
            workspace=settings.workspace(),
            budget_seconds_max=settings.budget_seconds_max,
            money_per_hour=settings.money_per_hour,
        )
    finally:
        store.close()
