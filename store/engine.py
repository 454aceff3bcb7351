"""Store: opens a database and hands out its repositories. Nothing here is global."""

import sqlalchemy as sa

from store.access import AccessRepository
from store.answers import AnswerRepository
from store.calibrations import CalibrationRepository
from store.database import Database, create_engine, parse_url
from store.evidence import EvidenceRepository
from store.leases import LeaseRepository
from store.offers import OfferRepository
from store.outcomes import OutcomeRepository
from store.recommendations import RecommendationRepository
from store.schema import check, upgrade
from store.tasks import TaskRepository
from store.totals import TotalsRepository
from store.uploads import UploadRepository
from store.workers import WorkerRepository

__all__ = ["Store", "open_store", "upgrade"]


class Store:
    """The repositories over one database; safe to share between threads, not after a fork."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        database = Database(engine)
        self.answers = AnswerRepository(database)
        self.access = AccessRepository(database)
        self.evidence = EvidenceRepository(database)
        self.calibrations = CalibrationRepository(database)
        self.leases = LeaseRepository(database)
        self.offers = OfferRepository(database)
        self.recommendations = RecommendationRepository(database)
        self.outcomes = OutcomeRepository(database)
        self.tasks = TaskRepository(database)
        self.uploads = UploadRepository(database)
        self.totals = TotalsRepository(database)
        self.workers = WorkerRepository(database)

    def ping(self) -> None:
        """Raise if the database does not answer."""
        with self._engine.connect() as connection:
            connection.execute(sa.select(1))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def open_store(url: str) -> Store:
    """Open the database at this URL.

    A SQLite file is made or upgraded first; PostgreSQL is only checked, because several processes
    of several versions may share it: StoreOutdatedError says to run `db upgrade`.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        upgrade(url)
    engine = create_engine(parsed)
    try:
        with engine.connect() as connection:
            check(connection)
    except BaseException:
        engine.dispose()
        raise
    return Store(engine)
