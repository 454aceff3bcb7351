"""Recommendations and workers, on both databases."""

import time
from datetime import timedelta

import pytest

from advisor.errors import NotFoundError
from store.engine import Store
from store.recommendations import AnswerFilter
from tests.store.examples import a_recommendation


def test_a_recommendation_comes_back_as_it_left(store: Store) -> None:
    given = a_recommendation()
    saved = store.recommendations.save(given)
    assert saved.id is not None
    assert saved.created_at is not None
    assert saved.model_copy(update={"id": None, "created_at": None}) == given
    found = store.recommendations.get("local", saved.id)
    assert found == saved
    assert found.created_at is not None
    assert found.created_at.utcoffset() == timedelta(0)
    assert found.model_dump_json() == saved.model_dump_json()


def test_a_tenant_never_sees_anothers_recommendation(store: Store) -> None:
    saved = store.recommendations.save(a_recommendation(), "acme")
    assert saved.id is not None
    assert saved.tenant == "acme"
    assert store.recommendations.get("acme", saved.id) == saved
    assert store.recommendations.list("local").items == ()
    with pytest.raises(NotFoundError):
        store.recommendations.get("local", saved.id)


def test_recommendations_are_listed_newest_first_in_pages(store: Store) -> None:
    saved = [store.recommendations.save(a_recommendation()) for _ in range(3)]
    page = store.recommendations.list("local", limit=2)
    rest = store.recommendations.list("local", limit=2, after=page.next_token)
    assert [line.id for line in (*page.items, *rest.items)] == [s.id for s in saved[::-1]]
    assert page.items[0].task_name == saved[2].task.name
    assert store.recommendations.list("local", AnswerFilter(loss="rg2")).items == ()
    assert len(store.recommendations.list("local", AnswerFilter(loss="softmax")).items) == 3
    assert rest.next_token is None


def test_a_worker_is_alive_while_it_beats(store: Store) -> None:
    store.workers.beat("host-0", "cpu", "cpu", "a leg")
    (first,) = store.workers.list()
    assert (first.device, first.tag, first.current) == ("cpu", "cpu", "a leg")
    assert first.seen_at.utcoffset() == timedelta(0)
    time.sleep(0.1)
    assert store.workers.dead(0.05) == ["host-0"]
    assert store.workers.dead(30) == []
    store.workers.beat("host-0", "cpu", "cpu", None)
    (second,) = store.workers.list()
    assert second.started_at == first.started_at
    assert second.seen_at > first.seen_at
    assert second.current is None


def test_a_forgotten_worker_is_gone_and_forgetting_again_is_harmless(store: Store) -> None:
    store.workers.beat("host-0", None, "cpu")
    store.workers.forget("host-0")
    store.workers.forget("host-0")
    assert store.workers.list() == []
    assert store.workers.dead(0) == []
