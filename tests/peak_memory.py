"""Peak bytes of one training step of an output layer, measured in a process of its own."""

import subprocess
import sys

from advisor.card import StepShape

_PROGRAM = """
import re, sys
import torch
from profiler.losses import build
from profiler.optimiser import optimisers

def kilobytes(key):
    return int(re.search(key + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1])

name, batch_size, n_classes, dim = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(1)
def step(b, c, d):
    layer = build(name, d, c)
    (optimiser,) = optimisers([layer], 1e-3, 0.0)
    hidden = torch.randn(b, d, requires_grad=True)
    layer(hidden, torch.randint(c, (b,))).backward()
    optimiser.step()
step(8, 50, dim)  # what libraries allocate once
before = kilobytes("VmRSS")
step(batch_size, n_classes, dim)
print((kilobytes("VmHWM") - before) * 1024)
"""


def peak_bytes(loss: str, shape: StepShape) -> int:
    """Peak resident bytes over the level before the layer exists (Linux)."""
    sizes = (shape.batch_size, shape.n_classes, shape.embedding_dim)
    done = subprocess.run(
        [sys.executable, "-P", "-c", _PROGRAM, loss, *map(str, sizes)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return int(done.stdout)
