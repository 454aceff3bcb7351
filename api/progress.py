"""Progress of a calibration on standard error: a live view at a terminal, else plain lines.

Both are fed with the calibration's events; neither writes to standard output.
"""

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from advisor.calibration import DataPrepared, Decided, Event, LegEnded, LegStarted, Prepared, Probed
from advisor.evidence import Candidate, Leg, StepCost
from advisor.task import Task
from api import wording
from api.progress_words import leg_end_words, leg_words, probe_words, size_words

_LINE_SECONDS = 1.0
_REFRESH_PER_SECOND = 4


class Progress(Protocol):
    """What a command shows while it calibrates."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def show(self, event: Event) -> None:
        """Take note of an event."""
        ...

    def say(self, sentence: str) -> None:
        """Tell the user something now."""
        ...


def progress(console: Console, task: Task, budget_seconds: float) -> Progress:
    """The live view where the console is a terminal, plain lines elsewhere."""
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveProgress(console, task, budget_seconds)
    return PlainProgress(console, task, budget_seconds)


@dataclass
class Standing:
    """Where a calibration stands, by the events so far."""

    task: Task
    budget_seconds: float
    ends_at: float
    prepared: Prepared | None = None
    probes: list[StepCost] = field(default_factory=list[StepCost])
    n_told: int = 0
    leg: Leg | None = None
    leader: Candidate | None = None
    leader_value: float | None = None
    is_decided: bool = False

    @classmethod
    def begun(cls, task: Task, budget_seconds: float) -> Self:
        return cls(task, budget_seconds, time.monotonic() + budget_seconds)

    def learn(self, event: Event) -> None:
        """Take an event in."""
        if isinstance(event, DataPrepared):
            self.prepared = event.prepared
        elif isinstance(event, Decided):
            self.is_decided = True
        else:
            self.ends_at = time.monotonic() + event.seconds_left
        if isinstance(event, Probed):
            self.probes.append(event.cost)
        elif isinstance(event, LegStarted):
            self.leg = event.leg
        elif isinstance(event, LegEnded):
            self.leg, self.n_told = None, self.n_told + 1
            self.leader, self.leader_value = event.leader, event.leader_value

    @property
    def phase(self) -> str:
        """ "reading", "probing", "racing" or "answering"."""
        if self.is_decided:
            return "answering"
        if self.leg is not None or self.n_told:
            return "racing"
        return "probing" if self.prepared else "reading"

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.ends_at - time.monotonic())

    def leader_words(self) -> str:
        """ "softmax, forecast ndcg@20 0.2912"."""
        if self.leader is None or self.leader_value is None:
            return "none yet"
        return (
            f"{self.leader.loss}, forecast {self.task.metric} "
            f"{wording.metric_value(self.leader_value)}"
        )


class PlainProgress:
    """One line per event worth a line, at most about one a second while racing."""

    def __init__(self, console: Console, task: Task, budget_seconds: float) -> None:
        self._console = console
        self._standing = Standing.begun(task, budget_seconds)
        self._printed_at = 0.0

    def __enter__(self) -> Self:
        budget = wording.duration(self._standing.budget_seconds)
        self.say(f"reading {self._standing.task.name}; budget {budget}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def say(self, sentence: str) -> None:
        self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    def show(self, event: Event) -> None:
        standing = self._standing
        standing.learn(event)
        if isinstance(event, DataPrepared):
            self.say(f"read: {size_words(event.prepared)}; on {event.prepared.device.name}")
        elif isinstance(event, Probed):
            self.say(f"probed {probe_words(event.cost)}")
        elif isinstance(event, LegEnded) and time.monotonic() - self._printed_at >= _LINE_SECONDS:
            self._printed_at = time.monotonic()
            self.say(
                f"leg {standing.n_told}: {leg_end_words(event, standing.task)}; "
                f"leader {standing.leader_words()}; "
                f"{wording.duration(standing.seconds_left)} left"
            )
        elif isinstance(event, Decided):
            self.say(f"raced {standing.n_told} legs; leader {standing.leader_words()}")


class LiveProgress:
    """A view that is drawn anew a few times a second, and goes when the answer comes."""

    def __init__(self, console: Console, task: Task, budget_seconds: float) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._standing = Standing.begun(task, budget_seconds)
        self._last_leg = ""
        self._said: list[str] = []
        self._live = Live(
            console=console,
            get_renderable=self.view,
            refresh_per_second=_REFRESH_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def say(self, sentence: str) -> None:
        with self._lock:
            self._said.append(sentence)

    def show(self, event: Event) -> None:
        with self._lock:
            self._standing.learn(event)
            if isinstance(event, LegEnded):
                self._last_leg = leg_end_words(event, self._standing.task)

    def view(self) -> RenderableType:
        """What is shown now."""
        with self._lock:
            standing = self._standing
            title = Text.assemble((f"{standing.phase} ", "bold cyan"), (standing.task.name, "bold"))
            lines: list[RenderableType] = [title]
            if standing.prepared is not None:
                lines.append(Text(size_words(standing.prepared), style="dim"))
            if standing.phase == "probing" and standing.probes:
                lines.append(_probes(standing.probes))
            if standing.phase == "racing":
                lines.append(self._race())
            lines.append(_budget(standing))
            lines += [Text(sentence, style="yellow") for sentence in self._said[-2:]]
            lines.append(Text("Ctrl-C stops and answers with what is known by then", style="dim"))
            return Group(*lines)

    def _race(self) -> Table:
        standing, rows = self._standing, Table.grid(padding=(0, 2))
        rows.add_row("legs told", str(standing.n_told))
        rows.add_row(
            "now",
            Text(leg_words(standing.leg, standing.task) if standing.leg else "choosing a leg"),
        )
        rows.add_row("last", Text(self._last_leg or "-"))
        rows.add_row("leader", Text(standing.leader_words(), style="bold green"))
        return rows


def _probes(probes: list[StepCost]) -> Table:
    rows = Table.grid(padding=(0, 2))
    for cost in probes:
        step = wording.duration(cost.step_seconds.mean) if cost.step_seconds else cost.outcome
        peak = wording.size(cost.peak_bytes) if cost.peak_bytes else "-"
        rows.add_row(cost.candidate.loss, f"{step} a step", f"peak {peak}")
    return rows


def _budget(standing: Standing) -> Table:
    used = standing.budget_seconds - standing.seconds_left
    row = Table.grid(padding=(0, 2))
    row.add_row(
        ProgressBar(total=standing.budget_seconds, completed=used, width=40),
        f"{wording.duration(standing.seconds_left)} of "
        f"{wording.duration(standing.budget_seconds)} left",
    )
    return row
