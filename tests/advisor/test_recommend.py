"""recommend: what the evidence level is, what a similar task adds, and what the answer says."""

import pytest

from advisor import catalogue, recommend
from advisor.belief import beliefs
from advisor.cost import cost_of, shape_of
from advisor.errors import TaskInvalidError
from advisor.evidence import Candidate, Profile
from advisor.search_space import candidates
from advisor.task import Horizon, Task, TaskStatistics
from tests.advisor.worlds import DEVICE, STATISTICS, costs, curve, new_race, prepared, run, task


def description(**changes: object) -> Task:
    fields = {
        "name": "described",
        "kind": "description",
        "metric": "ndcg@20",
        "statistics": STATISTICS,
        "horizon": {"epochs": 20},
    }
    return Task.model_validate({**fields, **changes})


@pytest.fixture(scope="module")
def measured() -> tuple[Profile, ...]:
    """What a race over a known world has left, as it would be stored."""
    race = new_race(task(), 250)
    run(race, 250)
    return tuple(p.model_copy(update={"id": f"p{i}"}) for i, p in enumerate(race.profiles()))


def test_with_nothing_known_the_cards_answer_and_say_so() -> None:
    answer = recommend(description())
    assert answer.evidence_level == "theory"
    assert answer.verdict == "not_enough_evidence"
    assert answer.next_experiment is not None
    assert answer.expected_regret is None
    assert {c.loss for c in answer.ranking} == set(catalogue())
    statuses = [c.consistency.status for c in answer.ranking]
    ranks = ["consistent", "conditional", "unknown", "inconsistent"]
    assert statuses == sorted(statuses, key=ranks.index)
    assert all(c.predicted_metric is None for c in answer.ranking)
    assert all(c.train_seconds is not None and c.peak_bytes for c in answer.ranking)


def test_a_similar_task_answers_by_prior_with_the_profiles_it_rests_on(
    measured: tuple[Profile, ...],
) -> None:
    near = description(statistics=STATISTICS.model_copy(update={"n_examples": 70_000}))
    answer = recommend(near, measured, DEVICE)
    assert answer.evidence_level == "prior"
    assert answer.loss in {"rg2", "softmax"}
    assert answer.ranking[0].profile_ids
    assert set(answer.ranking[0].profile_ids) <= {p.id for p in measured}
    assert answer.ranking[0].predicted_metric is not None
    assert any("rests on prior" in warning for warning in answer.warnings)


def test_a_less_similar_task_gets_a_wider_answer(measured: tuple[Profile, ...]) -> None:
    widths = []
    for n_classes in (1700, 6000, 30_000):
        far = description(statistics=STATISTICS.model_copy(update={"n_classes": n_classes}))
        metric = recommend(far, measured, DEVICE).ranking[0].predicted_metric
        assert metric is not None
        widths.append((metric.high - metric.low) / metric.mean)
    assert widths == sorted(widths)


def test_the_same_task_answers_from_its_own_profiles(measured: tuple[Profile, ...]) -> None:
    answer = recommend(task(), measured, DEVICE, prepared=prepared(task()), costs=costs(task()))
    assert answer.evidence_level == "measured"
    top = answer.ranking[0]
    assert top.measured
    assert top.curve[-1].examples == pytest.approx(20 * STATISTICS.n_examples, rel=0.01)
    means = [p.mean for p in top.curve]
    assert means == sorted(means)


def test_another_horizon_over_the_same_profiles_is_read_at_another_place(
    measured: tuple[Profile, ...],
) -> None:
    short = task(horizon=Horizon(epochs=2))
    answer = recommend(short, measured, DEVICE, prepared=prepared(short), costs=costs(short))
    metric = answer.ranking[0].predicted_metric
    assert metric is not None
    known = {p.candidate.key: p for p in measured}
    best = max(curve(p.candidate, 0, 2) for p in known.values())
    assert metric.mean == pytest.approx(best, rel=0.15)


def test_the_gain_over_the_baseline_is_the_difference_of_the_two(
    measured: tuple[Profile, ...],
) -> None:
    asked = task(baseline={"loss": "bpr"})
    answer = recommend(asked, measured, DEVICE, prepared=prepared(asked), costs=costs(asked))
    by_loss = {c.loss: c for c in answer.ranking}
    ours, theirs = by_loss[answer.loss].predicted_metric, by_loss["bpr"].predicted_metric
    gain = answer.gain_over_baseline
    assert gain is not None
    assert ours is not None
    assert theirs is not None
    assert gain.mean == pytest.approx(ours.mean - theirs.mean, abs=0.02)
    assert gain.low <= gain.mean <= gain.high


def test_a_baseline_that_is_the_answer_gains_nothing(measured: tuple[Profile, ...]) -> None:
    first = recommend(task(), measured, DEVICE, prepared=prepared(task()), costs=costs(task()))
    asked = task(baseline={"loss": first.loss})
    again = recommend(asked, measured, DEVICE, prepared=prepared(asked), costs=costs(asked))
    assert again.gain_over_baseline is not None
    assert again.gain_over_baseline.mean == 0.0


def test_constraints_make_losses_infeasible_with_the_reason() -> None:
    answer = recommend(description(constraints={"probabilities": "required"}))
    for ranked in answer.ranking:
        if not catalogue()[ranked.loss].has_probabilities:
            assert not ranked.feasible
            assert "probabilities" in ranked.reasons[0].text
    assert answer.ranking[0].feasible


def test_no_feasible_loss_is_refused_with_every_reason() -> None:
    with pytest.raises(TaskInvalidError, match=r"bpr needs .*softmax needs"):
        recommend(description(constraints={"peak_memory_gib": 1e-9}))


def test_without_a_size_there_is_no_answer() -> None:
    with pytest.raises(TaskInvalidError, match="statistics"):
        recommend(task())


def test_every_reason_has_a_source_and_no_sentence_is_empty(measured: tuple[Profile, ...]) -> None:
    answer = recommend(task(), measured, DEVICE, prepared=prepared(task()), costs=costs(task()))
    reasons = [*answer.reasons, *(r for c in answer.ranking for r in c.reasons)]
    assert len(reasons) > 6
    assert all(r.text and r.source for r in reasons)


def test_an_answer_survives_the_way_through_json(measured: tuple[Profile, ...]) -> None:
    answer = recommend(task(), measured, DEVICE, prepared=prepared(task()), costs=costs(task()))
    assert type(answer).model_validate_json(answer.model_dump_json()) == answer


def test_a_candidate_measured_outside_the_space_still_counts(
    measured: tuple[Profile, ...],
) -> None:
    odd = Candidate(loss="softmax", settings={"learning_rate": 0.005, "weight_decay": 0.00005})
    far = next(p for p in measured if p.final_examples >= 20 * STATISTICS.n_examples)
    points = tuple(p.model_copy(update={"value": p.value * 1.3}) for p in far.curve)
    extra = far.model_copy(update={"candidate": odd, "curve": points, "id": "odd"})
    answer = recommend(
        task(), (extra, *measured), DEVICE, prepared=prepared(task()), costs=costs(task())
    )
    assert answer.settings == odd.settings


def test_costs_come_from_the_probe_then_a_profile_then_the_formula(
    measured: tuple[Profile, ...],
) -> None:
    candidate = candidates(task(), STATISTICS)["softmax"][3]
    probed = cost_of(candidate, task(), STATISTICS, DEVICE, costs(task()), measured)
    scaled = cost_of(candidate, task(), STATISTICS, DEVICE, (), measured)
    priced = cost_of(candidate, task(), STATISTICS, DEVICE)
    assert "probe" in probed.source
    assert "profile" in scaled.source
    assert "formula" in priced.source
    for cost in (probed, scaled, priced):
        interval = cost.seconds_per_example
        assert interval is not None
        assert 0 < interval.low <= interval.mean <= interval.high
    assert scaled.seconds_per_example == probed.seconds_per_example  # the same size
    double = STATISTICS.model_copy(update={"n_classes": 2 * STATISTICS.n_classes})
    larger = cost_of(candidate, task(), double, DEVICE, (), measured)
    assert larger.seconds_per_example is not None
    assert probed.seconds_per_example is not None
    assert larger.seconds_per_example.mean > 1.5 * probed.seconds_per_example.mean


def test_candidates_of_one_shape_share_a_probe() -> None:
    group = candidates(task(), STATISTICS)["sampled_softmax"]
    assert len({shape_of(c).key for c in group}) == 1


def test_unopened_candidates_follow_their_siblings(measured: tuple[Profile, ...]) -> None:
    one = [p for p in measured if p.candidate.loss == "softmax"][:1]
    space = candidates(task(), STATISTICS)
    believed = beliefs(task(), STATISTICS, space, one, (), DEVICE, costs(task()))
    siblings = [b for b in believed if b.candidate.loss == "softmax" and not b.is_measured]
    rate = one[0].candidate.settings["learning_rate"]
    of_other_rate = [b for b in siblings if b.candidate.settings["learning_rate"] != rate]
    (alike,) = (b for b in siblings if b not in of_other_rate)
    assert of_other_rate
    assert all(b.mean is not None and b.sd > 0.1 * b.mean for b in of_other_rate)
    (shown,) = (b for b in believed if b.is_measured)
    assert shown.sd < alike.sd < min(b.sd for b in of_other_rate)


def test_statistics_say_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        TaskStatistics(n_rows=10, n_classes=1, n_examples=10)
