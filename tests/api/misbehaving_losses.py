"""A package of losses that do, after some steps, what a training can do to its process."""

from pathlib import Path

OUTCOMES = {"allocates": "out_of_memory", "segfaults": "failed", "hangs": "timed_out"}
N_GOOD_STEPS = 44
"""More than a probe takes."""
_CARD = """
from advisor.losses import softmax
from advisor.losses.softmax import *

CARD = softmax.CARD.model_copy(update={{"name": "{name}"}})
"""
_LAYER = """
import os, signal, time

from profiler.losses.softmax import Softmax


def allocates():
    hoard = []
    while True:
        hoard.append(bytearray(b"x" * 2**24))
        time.sleep(0.002)


def segfaults():
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(60)


def hangs():
    time.sleep(600)


class Layer(Softmax):
    n_steps = 0

    def forward(self, hidden, target):
        self.n_steps += 1
        if self.n_steps > {n_good}:
            {name}()
        return super().forward(hidden, target)
"""


def write_package(folder: Path) -> None:
    """As pip would install it there."""
    package, about = folder / "misbehaving", folder / "misbehaving-1.0.dist-info"
    package.mkdir(parents=True)
    about.mkdir()
    (package / "__init__.py").touch()
    for name in OUTCOMES:
        (package / f"{name}_card.py").write_text(_CARD.format(name=name))
        layer = _LAYER.format(name=name, n_good=N_GOOD_STEPS)
        (package / f"{name}_layer.py").write_text(layer)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehaving\nVersion: 1.0\n")
    cards = "".join(f"{name} = misbehaving.{name}_card\n" for name in OUTCOMES)
    layers = "".join(f"{name} = misbehaving.{name}_layer:Layer\n" for name in OUTCOMES)
    (about / "entry_points.txt").write_text(
        f"[softmax_advisor.cards]\n{cards}[softmax_advisor.layers]\n{layers}"
    )
