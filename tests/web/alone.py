"""A module of the page in a tab without a server, for what needs none."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page

from api.bundle import bundle


class Alone:
    """One module, whose functions are called with JSON."""

    def __init__(self, page: Page, name: str) -> None:
        self.page, self._name = page, name
        page.add_script_tag(content=bundle(name))

    def each(self, function: str, values: list[Any]) -> list[Any]:
        """What a function gives for every value."""
        script = "([name, f, values]) => values.map((value) => modules[name][f](value))"
        return self.page.evaluate(script, [self._name, function, values])


@contextmanager
def alone(chromium: Browser, name: str) -> Iterator[Alone]:
    """The module of this name in an empty tab."""
    page = chromium.new_page()
    yield Alone(page, name)
    page.close()
