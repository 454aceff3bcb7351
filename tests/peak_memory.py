"""Peak bytes of one training step of an output layer, measured in a process of its own."""

import json
import subprocess
import sys
from typing import Any

from advisor.card import StepShape

_PROGRAM = """
import json, re, sys
import torch
from profiler.losses import build
from profiler.optimiser import optimisers

def kilobytes(key):
    return int(re.search(key + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1])

name, batch_size, n_classes, dim = sys.argv[1], *map(int, sys.argv[2:5])
settings = json.loads(sys.argv[5])
torch.set_num_threads(1)
def step(b, c, d):
    counts = torch.ones(c, dtype=torch.long)
    layer = build(name, d, c, class_counts=counts, **settings)
    (optimiser,) = optimisers([layer], 1e-3, 0.0)
    hidden = torch.randn(b, d, requires_grad=True)
    layer(hidden, torch.randint(c, (b,))).backward()
    optimiser.step()
step(8, n_classes // 40, dim)  # what libraries allocate once
before = kilobytes("VmRSS")
step(batch_size, n_classes, dim)
print((kilobytes("VmHWM") - before) * 1024)
"""


def peak_bytes(loss: str, shape: StepShape, settings: dict[str, Any] | None = None) -> int:
    """Peak resident bytes over the level before the layer exists (Linux)."""
    sizes = (shape.batch_size, shape.n_classes, shape.embedding_dim)
    done = subprocess.run(
        [sys.executable, "-P", "-c", _PROGRAM, loss, *map(str, sizes), json.dumps(settings or {})],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return int(done.stdout)
