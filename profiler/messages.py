"""What a child process sends back; without torch, because whoever receives it imports this."""

from advisor.value import Value

GRACE_SECONDS = 2.0
"""How long after its deadline a leg may still evaluate and save before it is killed."""


class LegEnd(Value):
    """The last message of a leg: how far it came, at what cost."""

    examples: int
    train_seconds: float
    peak_bytes: int
    diverged: bool
    detail: str | None = None


class ProbeRound(Value):
    """What one round saw: seconds of every step, the memory peak, and seconds of an evaluation.

    A round sends several, each better founded than the one before.
    """

    step_seconds: tuple[float, ...]
    peak_bytes: int
    evaluation_seconds: float | None = None
