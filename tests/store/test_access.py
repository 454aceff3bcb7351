"""Keys in the store: shown once, kept as a hash, and of no use once expired or revoked."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from advisor.errors import KeyInvalidError, NotFoundError
from store.columns import now
from store.engine import Store

HOUR = timedelta(hours=1)


def test_a_key_lets_its_tenant_in_until_it_is_revoked(store: Store) -> None:
    assert not store.access.has_valid()
    made = store.access.create("shop", "read", "ci", now() + HOUR)
    assert store.access.check(made.text) == made.key
    assert (made.key.tenant, made.key.scope, made.key.name) == ("shop", "read", "ci")
    assert store.access.has_valid()
    revoked = store.access.revoke(made.key.id)
    assert revoked.revoked_at is not None
    assert not store.access.has_valid()
    with pytest.raises(KeyInvalidError, match=f"the key {made.key.id} was revoked on 20"):
        store.access.check(made.text)
    assert store.access.revoke(made.key.id) == revoked


def test_a_key_that_has_expired_is_of_no_use(store: Store) -> None:
    made = store.access.create("shop", "admin", expires_at=now() - HOUR)
    assert not store.access.has_valid()
    with pytest.raises(KeyInvalidError, match=f"the key {made.key.id} expired on 20"):
        store.access.check(made.text)


def test_neither_a_wrong_secret_nor_an_unknown_id_is_let_in_and_both_sound_the_same(
    store: Store,
) -> None:
    made, other = (store.access.create("shop", "read") for _ in range(2))
    _, id_, secret = made.text.split("_", 2)
    wrong = (
        f"sa_{other.key.id}_{secret}",
        f"sa_{id_}_{'A' * 43}",
        f"sa_0123456789abcdef_{secret}",
    )
    for text in wrong:
        with pytest.raises(KeyInvalidError) as refused:
            store.access.check(text)
        assert str(refused.value) == "There is no such key."


@pytest.mark.parametrize(
    "text", ["", "sa_", "Bearer x", "sa_0_\x00", "sa_" + "é" * 60, "x" * 10**5]
)
def test_what_is_no_key_is_not_looked_for(store: Store, text: str) -> None:
    with pytest.raises(KeyInvalidError, match="begins with 'sa_'"):
        store.access.check(text)


def test_a_secret_is_nowhere_in_the_database(store: Store, database_url: str) -> None:
    made = store.access.create("shop", "read")
    _, _, secret = made.text.split("_", 2)
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM keys").all()
    engine.dispose()
    assert made.key.id in str(rows)
    assert secret not in str(rows)
    assert secret not in str(store.access.list())


def test_keys_are_listed_by_tenant_the_newest_first(store: Store) -> None:
    first, second = (store.access.create(tenant, "read").key for tenant in ("shop", "bank"))
    assert store.access.list() == [second, first]
    assert store.access.list("shop") == [first]
    with pytest.raises(NotFoundError, match="no key 'nothing'"):
        store.access.revoke("nothing")
