"""Where the commands write: people's text to standard output, all else to standard error."""

import sys

from rich.console import Console

PIPED_WIDTH = 100


def console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal; 100 columns where there is none."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPED_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, soft_wrap=False)
