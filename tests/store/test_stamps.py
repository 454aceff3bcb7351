"""The stamp of what answers rest on: a new one with every change, for those whom it changes."""

from collections.abc import Callable

import pytest

from advisor.errors import NotFoundError
from advisor.outcome import FullTraining
from store.engine import Store
from tests.store.examples import LAPTOP, a_profile, a_recommendation


def _changes(store: Store, tenant: str, change: Callable[[], object]) -> bool:
    before = store.evidence.stamp(tenant)
    assert store.evidence.stamp(tenant) == before
    change()
    return store.evidence.stamp(tenant) != before


def test_what_a_tenant_does_with_its_profiles_changes_its_own_stamp_alone(store: Store) -> None:
    id_ = str(store.evidence.save_profile(a_profile(), None).id)
    answer = str(store.recommendations.save(a_recommendation()).id)
    told = FullTraining(value=0.5, epochs=1)
    others = store.evidence.stamp("acme")
    for change in (
        lambda: store.evidence.save_profile(a_profile(task_fingerprint="new"), None),
        lambda: store.evidence.save_profile(a_profile(final_value=0.5), None),
        lambda: store.evidence.mark_bad("local", id_, bad=True),
        lambda: store.evidence.mark_bad("local", id_, bad=False),
        lambda: store.outcomes.save(answer, told, a_profile(source="outcome")),
        lambda: store.evidence.delete_profile("local", id_),
    ):
        assert _changes(store, "local", change)
    assert store.evidence.stamp("acme") == others


def test_what_happens_to_a_shared_profile_changes_the_stamp_of_all(store: Store) -> None:
    id_ = str(store.evidence.save_profile(a_profile(), None).id)
    for change in (
        lambda: store.evidence.share("local", id_, shared=True),
        lambda: store.evidence.save_profile(a_profile(final_value=0.5), None),
        lambda: store.evidence.mark_bad("local", id_, bad=True),
        lambda: store.evidence.share("local", id_, shared=False),
        lambda: store.evidence.share("local", id_, shared=True),
        lambda: store.evidence.delete_profile("local", id_),
    ):
        assert _changes(store, "acme", change)
    assert _changes(
        store, "acme", lambda: store.evidence.save_profile(a_profile(shared=True), None)
    )


def test_what_changes_no_profile_and_what_fails_changes_no_stamp(store: Store) -> None:
    def refused() -> None:
        with pytest.raises(NotFoundError):
            store.evidence.share("local", "none", shared=True)

    for change in (
        lambda: store.evidence.save_device(LAPTOP),
        lambda: store.recommendations.save(a_recommendation()),
        refused,
    ):
        assert not _changes(store, "local", change)
