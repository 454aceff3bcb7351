"""race_legs: train what a race asks for, several legs at once where there is room for them.

Each leg has a thread of its own, which waits for whoever trains it: a child of this process, or
another worker. The race is asked and told in the caller's thread alone.
"""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from threading import Event

from advisor.evidence import Leg, LegReport
from advisor.race import Race

_LOOK_SECONDS = 0.05
_LEGS_MAX = 256
TrainLeg = Callable[[Leg, float, Callable[[], bool]], LegReport | None]


def race_legs(
    race: Race,
    seconds_left: Callable[[], float],
    train: TrainLeg,
    *,
    n_at_once: Callable[[], int],
    should_stop: Callable[[], bool],
    on_start: Callable[[Leg], None],
    on_end: Callable[[LegReport], None],
) -> None:
    """Ask, train and tell until the race has nothing to ask or shall stop.

    `train` gets a leg, its deadline (time.monotonic()) and its own `should_stop`; it returns None
    where nothing came of the leg, which may be asked again then. What it raises is raised here, as
    is what anything else raises, when all legs have been stopped.
    """
    stop, has_more = Event(), True
    running: dict[Future[LegReport | None], Leg] = {}
    with ThreadPoolExecutor(_LEGS_MAX, thread_name_prefix="leg") as threads:
        try:
            while has_more or running:
                if should_stop():
                    stop.set()
                has_more = has_more and not stop.is_set()
                if has_more and len(running) < n_at_once():
                    leg = race.ask(seconds_left(), side_by_side=True)
                    has_more = leg is not None
                    if leg is not None:
                        on_start(leg)
                        deadline = time.monotonic() + seconds_left()
                        begin = copy_context().run
                        running[threads.submit(begin, train, leg, deadline, stop.is_set)] = leg
                    continue
                for future in wait(running, _LOOK_SECONDS, FIRST_COMPLETED).done:
                    _tell(race, running.pop(future), future.result(), on_end)
                    has_more = True
        except BaseException:
            stop.set()
            raise


def _tell(
    race: Race, leg: Leg, report: LegReport | None, on_end: Callable[[LegReport], None]
) -> None:
    if report is None:
        race.tell(LegReport(leg=leg, outcome="cancelled", examples=leg.from_examples))
    else:
        race.tell(report)
        on_end(report)
