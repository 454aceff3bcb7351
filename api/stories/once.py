"""The story of a request that may be repeated: reserved by its key, done, answered the same again.

Whatever it makes has an id that follows from the key. So if the answer is lost, by a crash or on
its way, the repeated request finds what was made and makes no second one.
"""

from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from advisor.errors import KeyReusedError
from api.stories.service import Service
from store.answers import Answer

__all__ = ["Answer", "Once", "keep", "release", "reserve", "sweep"]

KEPT_DAYS = 7.0


class Once(NamedTuple):
    """A request with a key: `digest` is that of what it asks."""

    tenant: str
    key: str
    digest: str

    @property
    def id(self) -> str:
        """The id of what is made by it."""
        return uuid5(NAMESPACE_URL, f"urn:softmax-advisor:once:{self.tenant}\n{self.key}").hex


def reserve(service: Service, this: Once) -> Answer | None:
    """The answer given before, None if there is none yet.

    Raises KeyReusedError if the key came with another request.
    """
    digest, answer = service.store.answers.reserve(this.tenant, this.key, this.digest)
    if digest != this.digest:
        raise KeyReusedError(
            f"the Idempotency-Key {this.key!r} came with another request before; give this one "
            "a key of its own"
        )
    return answer


def keep(service: Service, this: Once, answer: Answer) -> Answer:
    """Keep the answer and return it, or the one that was kept first."""
    return service.store.answers.keep(this.tenant, this.key, this.digest, answer)


def release(service: Service, this: Once) -> None:
    """Nothing came of it: the key may be used again."""
    service.store.answers.release(this.tenant, this.key)


def sweep(service: Service) -> None:
    """Forget the keys of long ago."""
    service.store.answers.forget(KEPT_DAYS)
