"""EventHub: the events of calibrations for any number of listeners, read once for all of them.

The store is the truth, whoever writes it: a worker elsewhere, the command line, this process. One
reader per calibration that is listened to looks for new events a few times a second and wakes its
listeners; what a listener has missed, it reads from the store by itself.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from sqlalchemy.exc import InterfaceError, OperationalError

from advisor.live import NumberedEvent
from store.engine import Store

LOOK_SECONDS = 0.2
"""How often a reader looks for new events."""
PING_SECONDS = 15.0
"""A stream that is silent for so long sends a comment, so that nobody takes it for dead."""
_RECENT = 1000  # events kept in memory; who is further behind reads the store

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Sent:
    """An event as it goes over the wire, made once for all listeners."""

    number: int
    content: bytes


class EventHub:
    """Streams of this process; made once per server, used on its event loop only."""

    def __init__(
        self,
        store: Store,
        is_stopping: Callable[[], bool] = lambda: False,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._store, self._is_stopping, self._look_seconds = store, is_stopping, look_seconds
        self._readers: dict[str, _Reader] = {}

    async def stream(self, calibration_id: str, after: int) -> AsyncIterator[bytes]:
        """The events behind a number as server-sent events, until the calibration has ended.

        Or until the server stops: then listeners come back, to it or to another one.
        """
        reader = self._readers.get(calibration_id)
        if reader is None:
            reader = _Reader(self._store, calibration_id, self._is_stopping, self._look_seconds)
            self._readers[calibration_id] = reader
        reader.begin()
        try:
            async for content in reader.listen(after):
                yield content
        finally:
            if reader.end() and self._readers.get(calibration_id) is reader:
                del self._readers[calibration_id]

    async def has_more(self, tenant: str, calibration_id: str, after: int) -> bool:
        """Whether anything comes, or may come, behind this number; raises NotFoundError."""
        return await asyncio.to_thread(self._has_more, tenant, calibration_id, after)

    @property
    def n_readers(self) -> int:
        """How many calibrations are read now."""
        return len(self._readers)

    def _has_more(self, tenant: str, calibration_id: str, after: int) -> bool:
        calibrations = self._store.calibrations
        calibrations.get(tenant, calibration_id)
        found, has_ended = calibrations.events(calibration_id, after)
        return bool(found) or not has_ended


@dataclass
class _Reader:
    """One calibration's newest events, followed as long as anyone listens."""

    store: Store
    calibration_id: str
    is_stopping: Callable[[], bool]
    look_seconds: float
    n_listeners: int = 0
    is_over: bool = False
    last: int | None = None  # number of the newest event seen; None before the first look
    recent: deque[_Sent] = field(default_factory=lambda: deque[_Sent](maxlen=_RECENT))
    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """One listener more; the first one starts the reading."""
        self.n_listeners += 1
        if self.task is None:
            self.task = asyncio.create_task(self._follow())

    def end(self) -> bool:
        """One listener less; returns whether it was the last, with whom the reading ends."""
        self.n_listeners -= 1
        if self.n_listeners == 0 and self.task is not None:
            self.task.cancel()
        return self.n_listeners == 0

    async def listen(self, after: int) -> AsyncIterator[bytes]:
        """What comes behind a number, each event once and in order."""
        while True:
            news, is_over = self.news, self.is_over  # before looking: none that comes is missed
            found = self._recent_after(after)
            if found is None:
                found = _sent((await self._read(after))[0])
            for event in found:
                after = event.number
                yield event.content
            if found:
                continue
            if is_over:
                return
            try:
                await asyncio.wait_for(news.wait(), PING_SECONDS)
            except TimeoutError:
                yield KEEPALIVE_COMMENT

    def _recent_after(self, after: int) -> Sequence[_Sent] | None:
        """The events in memory behind a number; None if some before them are not there."""
        if self.last is None or after >= self.last:
            return ()
        if not self.recent or self.recent[0].number > after + 1:
            return None
        return [event for event in self.recent if event.number > after]

    async def _follow(self) -> None:
        try:
            await self._read_on()
        finally:  # whatever goes wrong, nobody waits for ever
            self.is_over = True
            self.news.set()

    async def _read_on(self) -> None:
        at = 0
        while not self.is_over and not self.is_stopping():
            try:
                events, has_ended = await self._read(at)
            except (OperationalError, InterfaceError) as error:
                _log.warning("events of calibration %s: %s", self.calibration_id, error)
                await asyncio.sleep(self.look_seconds)
                continue
            if events:
                at = events[-1].number
                self.recent.extend(_sent(events))
            self.is_over = has_ended and not events
            if events or self.is_over or self.last is None:
                self.last = at
                self.news.set()
                self.news = asyncio.Event()
            if not events and not self.is_over:
                await asyncio.sleep(self.look_seconds)

    async def _read(self, after: int) -> tuple[list[NumberedEvent], bool]:
        return await asyncio.to_thread(self.store.calibrations.events, self.calibration_id, after)


def _sent(events: Sequence[NumberedEvent]) -> list[_Sent]:
    return [
        _Sent(
            event.number,
            format_sse_event(
                data_str=event.model_dump_json(), event=event.event.kind, id=str(event.number)
            ),
        )
        for event in events
    ]
