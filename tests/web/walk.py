"""Walk: a person's way through the page in a real browser, watched for everything that goes wrong.

Whatever the browser complains of fails the test: an error on the console, an exception, a breach of
the Content-Security-Policy. What is provoked on purpose is said beforehand with `expect`.
"""

import json
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Route

ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "web"
WIDE, NARROW = 1440, 390
PATIENCE_MILLISECONDS = 60_000
_LOOKS: tuple[tuple[Literal["light", "dark"], int], ...] = (
    ("light", WIDE),
    ("dark", WIDE),
    ("light", NARROW),
)
_WATCH_POLICY = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


class Walk:
    """One tab on one server."""

    def __init__(self, context: BrowserContext, base_url: str) -> None:
        context.add_init_script(_WATCH_POLICY)
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        self.base_url = base_url
        self.complaints: list[str] = []
        self.expected: list[str] = []
        self.page = self.tab(context)

    def tab(self, context: BrowserContext | None = None) -> Page:
        """A new tab, watched as well."""
        page = (context or self.page.context).new_page()
        page.set_viewport_size({"width": WIDE, "height": 900})
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"{error}\n{error.stack}"))
        return page

    def to(self, view: str = "#/") -> Page:
        """Go to a view and wait until it is there."""
        self.page.goto(f"{self.base_url}/{view}")
        self.arrived()
        return self.page

    def arrived(self) -> None:
        """Wait until the view that the address names is there and has its heading."""
        path = unquote(urlsplit(self.page.url).fragment).split("?")[0] or "/"
        self.page.locator(f'main[data-path="{path}"] .view:not([aria-busy]) h1').wait_for()

    def expect(self, text: str) -> None:
        """From now on the browser may complain of this: it is provoked."""
        self.expected.append(text)

    def unexpected(self) -> list[str]:
        """What the browser complained of that nobody provoked."""
        return [c for c in self.complaints if not any(text in c for text in self.expected)]

    def inspect(self, name: str) -> None:
        """Hold the view that is shown against what must hold of every view.

        Light and dark, wide and narrow: no breach of accessibility, nothing to scroll sideways;
        the screenshots are kept.
        """
        assert self.page.title() != "Softmax Advisor", "the view has no title"
        assert self.page.locator("h1").count() == 1
        for scheme, width in _LOOKS:
            self.page.emulate_media(color_scheme=scheme)
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.wait_for_timeout(400)  # charts are drawn anew
            self.keep(f"{name}-{scheme}-{width}")
            self.check_width()
            self.check_access(f"{name}, {scheme}, {width} px")
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size({"width": WIDE, "height": 900})

    def check_width(self) -> None:
        """Nothing reaches beyond the window."""
        beyond = self.page.evaluate(
            """() => document.documentElement.scrollWidth <= innerWidth ? [] :
            [...document.querySelectorAll("main *")]
              .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
              .filter((e) => !e.closest(".scroll"))
              .map((e) => `${e.tagName}.${e.className}`).slice(0, 5)"""
        )
        assert not beyond, beyond
        out_of_card = self.page.evaluate(
            """() => [...document.querySelectorAll(".card")].flatMap((card) => {
              const padding = parseFloat(getComputedStyle(card).paddingRight);
              const edge = card.getBoundingClientRect().right - padding;
              return [...card.querySelectorAll("*")]
                .filter((e) => !e.closest(".scroll") && e.getBoundingClientRect().right > edge + 1)
                .map((e) => `${e.tagName} ${e.textContent.slice(0, 40)}`);
            })"""
        )
        assert not out_of_card, out_of_card

    def check_access(self, where: str) -> None:
        """axe-core finds no violation."""
        found = Axe().run(self.page, options={"resultTypes": ["violations"]})
        told = [
            (v["id"], v["help"], [n["html"][:200] for n in v["nodes"][:3]])
            for v in found.response["violations"]
        ]
        assert not told, f"{where}: {json.dumps(told, indent=1)}"

    def keep(self, name: str) -> None:
        """A screenshot for people."""
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)

    def focused(self) -> Locator:
        """What has the focus."""
        return self.page.locator(":focus")

    def hold(self, pattern: str) -> list[Route]:
        """From now on requests that match are held back; let them go with `continue_()`."""
        held: list[Route] = []
        self.page.route(pattern, lambda route: held.append(route))
        return held

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")
