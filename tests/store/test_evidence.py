"""Devices, profiles and what a prior reads of them, on both databases."""

import math
import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from advisor.errors import NotFoundError
from advisor.evidence import Device
from store.engine import Store
from store.evidence import neighbour_queries
from store.profile_listing import ProfileFilter
from store.profile_rows import class_bucket
from tests.store.examples import LAPTOP, a_candidate, a_profile, prepared_calibration, statistics


def test_a_device_is_remembered_once(store: Store) -> None:
    store.evidence.save_device(LAPTOP)
    store.evidence.save_device(LAPTOP)
    assert store.evidence.devices(None) == [LAPTOP]


def test_a_profile_comes_back_as_it_was_saved(store: Store) -> None:
    profile = a_profile(candidate=a_candidate("gbce", t=1.0, k=20, warm=True, proposal="uniform"))
    saved = store.evidence.save_profile(profile, prepared_calibration(store))
    assert saved.id is not None
    assert saved.created_at is not None
    assert saved.created_at.utcoffset() == timedelta(0)
    assert saved.model_copy(update={"id": None, "created_at": None}) == profile
    assert isinstance(saved.candidate.settings["t"], float)
    assert store.evidence.profile("local", saved.id) == saved


def test_a_second_measurement_of_the_same_replaces_the_first(store: Store) -> None:
    first = store.evidence.save_profile(a_profile(), None)
    second = store.evidence.save_profile(a_profile(curve=(), final_value=0.4), None)
    assert second.id == first.id
    assert store.evidence.profiles("local").items == (second,)
    assert second.curve == ()


def test_another_task_device_candidate_or_tenant_is_another_profile(store: Store) -> None:
    for profile in (
        a_profile(),
        a_profile(task_fingerprint="other"),
        a_profile(device=LAPTOP.model_copy(update={"id": "desktop"})),
        a_profile(candidate=a_candidate(learning_rate=0.1)),
        a_profile(tenant="acme"),
    ):
        store.evidence.save_profile(profile, None)
    assert len(store.evidence.profiles("local").items) == 4
    assert len(store.evidence.profiles("acme").items) == 1


def test_threads_that_save_the_same_profile_leave_one(store: Store) -> None:
    threads = [
        threading.Thread(target=store.evidence.save_profile, args=(a_profile(), None))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (profile,) = store.evidence.profiles("local").items
    assert len(profile.curve) == 2


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_a_completed_profile_without_a_finite_value_has_diverged(
    store: Store, value: float | None
) -> None:
    saved = store.evidence.save_profile(a_profile(final_value=value), None)
    assert (saved.final_value, saved.outcome) == (None, "diverged")


def test_a_profile_that_never_ran_keeps_its_outcome(store: Store) -> None:
    profile = a_profile(final_value=None, outcome="out_of_memory", step_seconds=None, curve=())
    assert store.evidence.save_profile(profile, None).outcome == "out_of_memory"


def test_a_tenant_never_sees_anothers_profile(store: Store) -> None:
    saved = store.evidence.save_profile(a_profile(tenant="acme"), None)
    assert saved.id is not None
    assert store.evidence.profiles("local").items == ()
    assert store.evidence.neighbours("local", ["interactions"], "ndcg@10", 1000) == []
    with pytest.raises(NotFoundError):
        store.evidence.profile("local", saved.id)


def test_a_shared_profile_serves_every_prior_but_no_other_list(store: Store) -> None:
    saved = store.evidence.save_profile(a_profile(tenant="acme", shared=True), None)
    for tenant in ("acme", "local"):
        assert store.evidence.neighbours(tenant, ["interactions"], "ndcg@10", 1000) == [saved]
        assert store.evidence.profile(tenant, str(saved.id)) == saved
    assert store.evidence.profiles("local").items == ()


def test_a_profile_is_shared_by_its_owner_until_it_takes_it_back(store: Store) -> None:
    id_ = str(store.evidence.save_profile(a_profile(tenant="acme"), None).id)
    with pytest.raises(NotFoundError):
        store.evidence.share("local", id_, shared=True)
    assert store.evidence.share("acme", id_, shared=True).shared
    again = store.evidence.save_profile(a_profile(tenant="acme", n_seeds=3), None)
    assert (again.id, again.n_seeds, again.shared) == (id_, 3, True)
    assert store.evidence.profile("local", id_) == again
    assert not store.evidence.share("acme", id_, shared=False).shared
    with pytest.raises(NotFoundError):
        store.evidence.profile("local", id_)


def test_a_tenant_knows_devices_of_its_own_of_workers_and_of_what_is_shared(store: Store) -> None:
    def own(name: str) -> Device:
        return LAPTOP.model_copy(update={"id": name})

    shared = a_profile(tenant="acme", device=own("of shared"), shared=True)
    for profile in (shared, a_profile(tenant="acme", device=own("of acme"))):
        store.evidence.save_profile(profile, None)
    for name in ("of a worker", "of nobody"):
        store.evidence.save_device(own(name))
    store.workers.beat("host-cpu0", "of a worker", "cpu")
    prepared_calibration(store, tenant="local")
    known = {d.id for d in store.evidence.devices("local")}
    assert known == {"of shared", "of a worker", LAPTOP.id}
    assert {d.id for d in store.evidence.devices("acme")} == known - {LAPTOP.id} | {"of acme"}
    assert len(store.evidence.devices(None)) == 5


@pytest.mark.parametrize(
    ("wanted", "n_found"),
    [
        (ProfileFilter(), 3),
        (ProfileFilter(loss="bpr"), 1),
        (ProfileFilter(task_name="shop"), 2),
        (ProfileFilter(kind="description"), 1),
        (ProfileFilter(device_id="laptop", metric="ndcg@10"), 3),
        (ProfileFilter(metric="mrr"), 0),
        (ProfileFilter(n_classes_min=1000, n_classes_max=1000), 2),
        (ProfileFilter(n_classes_min=1001), 1),
        (ProfileFilter(n_classes_min=-(10**30), n_classes_max=10**30), 3),
        (ProfileFilter(task_name="\x00"), 0),
    ],
)
def test_profiles_are_filtered(store: Store, wanted: ProfileFilter, n_found: int) -> None:
    store.evidence.save_profile(a_profile(), None)
    store.evidence.save_profile(a_profile(candidate=a_candidate("bpr")), None)
    far = a_profile(task_name="far", task_fingerprint="far", kind="description")
    store.evidence.save_profile(far.model_copy(update={"statistics": statistics(10**6)}), None)
    assert len(store.evidence.profiles("local", wanted).items) == n_found


@pytest.mark.parametrize("few", [0, 1000])
def test_profiles_of_a_size_are_the_same_however_they_are_looked_for(
    store: Store, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("store.profile_listing._FEW", few)
    for i, n_classes in enumerate((500, 1000, 1001, 2000, 1000, 1500, 10**6)):
        profile = a_profile(task_fingerprint=str(i), statistics=statistics(n_classes))
        store.evidence.save_profile(profile, None)
    store.evidence.save_profile(a_profile(tenant="acme"), None)
    for sort, expected in (
        ("-created_at", [1500, 1000, 2000, 1001, 1000]),
        ("n_classes", [1000, 1000, 1001, 1500, 2000]),
    ):
        wanted, found, token = ProfileFilter(n_classes_min=1000, n_classes_max=2000), [], None
        for _ in range(3):
            page = store.evidence.profiles("local", wanted, 2, token, sort)
            found += [p.statistics.n_classes for p in page.items]
            token = page.next_token
        assert (found, token) == (expected, None)
    assert store.evidence.profiles("local", ProfileFilter(n_classes_min=10**7)).items == ()


def test_pages_of_profiles_are_newest_first(store: Store) -> None:
    for i in range(5):
        store.evidence.save_profile(a_profile(task_fingerprint=f"task {i}"), None)
    page = store.evidence.profiles("local", limit=3)
    rest = store.evidence.profiles("local", limit=3, after=page.next_token)
    found = [p.task_fingerprint for p in (*page.items, *rest.items)]
    assert found == [f"task {i}" for i in (4, 3, 2, 1, 0)]
    assert rest.next_token is None


def test_neighbours_are_near_in_classes_and_the_nearest_come_first(store: Store) -> None:
    for n_classes in (10, 90, 400, 1000, 1100, 9000, 40_000, 10**6):
        profile = a_profile(task_fingerprint=str(n_classes), statistics=statistics(n_classes))
        store.evidence.save_profile(profile, None)
    found = store.evidence.neighbours("local", ["interactions"], "ndcg@10", 1000)
    assert [p.statistics.n_classes for p in found] == [1000, 1100, 400, 9000, 90]
    assert all(len(p.curve) == 2 for p in found)
    assert {class_bucket(p.statistics.n_classes) for p in found} == {4, 5, 6, 8}


def test_neighbours_have_the_metric_and_one_of_the_kinds(store: Store) -> None:
    for kind, metric in (("interactions", "mrr"), ("interactions", "ndcg@10"), ("text", "mrr")):
        profile = a_profile(task_fingerprint=kind + metric, kind=kind, metric=metric)
        store.evidence.save_profile(profile, None)
    assert len(store.evidence.neighbours("local", ["interactions"], "mrr", 1000)) == 1
    assert len(store.evidence.neighbours("local", ["text", "interactions"], "mrr", 1000)) == 2
    assert store.evidence.neighbours("local", [], "mrr", 1000) == []


def test_no_more_neighbours_are_read_than_asked_for(store: Store) -> None:
    for n_classes in (1000, 1000, 3000, 100):
        for i in range(3):
            name = f"{n_classes} {i}"
            profile = a_profile(task_fingerprint=name, statistics=statistics(n_classes))
            store.evidence.save_profile(profile, None)
    found = store.evidence.neighbours("local", ["interactions"], "ndcg@10", 1000, limit=5)
    assert [p.statistics.n_classes for p in found] == [1000, 1000, 1000, 3000, 3000]


def test_neighbours_are_read_by_index(store: Store, database_url: str) -> None:
    _fill_profiles(store, database_url)
    engine = sa.create_engine(database_url)
    is_sqlite = engine.dialect.name == "sqlite"
    plans: list[str] = []
    with engine.connect() as connection:
        for query in neighbour_queries("local", ["interactions"], "ndcg@10", 1000):
            text = query.limit(20).compile(engine, compile_kwargs={"literal_binds": True})
            explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
            rows = connection.exec_driver_sql(f"{explain} {text}").all()
            plans.append("\n".join(str(row) for row in rows))
    engine.dispose()
    assert len(plans) == 10
    for plan, index in zip(plans, ["ix_profiles_own", "ix_profiles_shared"] * 5, strict=True):
        assert index in plan
        # Read in the index's own order: a sort would read the whole bucket first.
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan


def _fill_profiles(store: Store, database_url: str) -> None:
    """Eight thousand profiles of two tenants, without their curves."""
    store.evidence.save_profile(a_profile(), None)
    engine = sa.create_engine(database_url)
    profiles = sa.Table("profiles", sa.MetaData(), autoload_with=engine)
    with engine.begin() as connection:
        template = dict(connection.execute(sa.select(profiles)).mappings().one())
        rows = [
            template
            | {
                "id": f"{i:032}",
                "task_fingerprint": f"task {i}",
                "tenant": ("local", "acme")[i % 2],
                "shared": i % 4 == 1,
                "class_bucket": i % 13,
            }
            for i in range(8000)
        ]
        connection.execute(sa.insert(profiles), rows)
        connection.exec_driver_sql("ANALYZE")
    engine.dispose()
