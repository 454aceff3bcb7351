"""What a child process sends back; without torch, because whoever receives it imports this."""

from advisor.value import Value


class LegEnd(Value):
    """The last message of a leg: how far it came, at what cost."""

    examples: int
    train_seconds: float
    peak_bytes: int
    diverged: bool
    detail: str | None = None


class ProbeRound(Value):
    """What one round saw: seconds of every step, of one evaluation, and the memory peak."""

    step_seconds: tuple[float, ...]
    evaluation_seconds: float
    peak_bytes: int
