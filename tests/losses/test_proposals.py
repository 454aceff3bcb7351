"""Proposals draw from the distribution whose log q they tell."""

import pytest
import torch

from profiler.proposals import Hard, Popularity, Uniform, build_proposal

COUNTS = [
    torch.tensor([5]),
    torch.tensor([3, 3, 3]),
    torch.tensor([0, 0, 1000]),
    torch.arange(1, 1001),
    (1e6 / torch.arange(1, 5001)).long(),
    torch.zeros(10, dtype=torch.long),
]


@pytest.mark.parametrize("counts", COUNTS, ids=range(len(COUNTS)))
@pytest.mark.parametrize("power", [0.0, 0.75, 1.0])
def test_the_alias_table_holds_exactly_the_mass_of_q(counts: torch.Tensor, power: float) -> None:
    proposal = Popularity(counts, power)
    accepted = (proposal.table >> 32).double() / 2**31
    mass = accepted.clone()
    mass.scatter_add_(0, proposal.table & 0xFFFFFFFF, 1 - accepted)
    expected = counts.double().clamp_min(0.5) ** power
    torch.testing.assert_close(mass / len(counts), expected / expected.sum(), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_draws_are_as_frequent_as_q(power: float) -> None:
    counts = (1000 / torch.arange(1, 51)).long()
    proposal = Popularity(counts, power)
    n = 400_000
    drawn = proposal.sample(n, torch.Generator().manual_seed(0))
    expected = n * proposal.log_q(torch.arange(50)).exp().double()
    chi_squared = ((torch.bincount(drawn, minlength=50) - expected) ** 2 / expected).sum()
    assert chi_squared < 100  # 49 degrees of freedom: p below 1e-4


def test_a_class_never_seen_can_be_drawn_and_has_a_finite_log_q() -> None:
    proposal = Popularity(torch.tensor([0, 9, 0]), 1.0)
    assert torch.isfinite(proposal.log_q(torch.arange(3))).all()
    assert set(proposal.sample(2000, torch.Generator().manual_seed(0)).tolist()) == {0, 1, 2}


def test_mixed_draws_half_of_the_time_uniformly() -> None:
    counts = torch.tensor([90, 9, 1, 0])
    mixed = build_proposal("mixed", 4, class_counts=counts)
    popular = build_proposal("popularity", 4, class_counts=counts)
    every = torch.arange(4)
    expected = (popular.log_q(every).exp() + 1 / 4) / 2
    torch.testing.assert_close(mixed.log_q(every).exp(), expected)
    drawn = mixed.sample(100_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(torch.bincount(drawn) / 1e5, expected, rtol=0, atol=0.006)


def test_in_batch_has_the_law_of_popularity() -> None:
    counts = torch.tensor([5, 3, 2])
    in_batch = build_proposal("in_batch", 3, class_counts=counts, popularity_power=0.5)
    assert in_batch.in_batch
    chances = in_batch.log_q(torch.arange(3)).exp()
    torch.testing.assert_close(chances, torch.tensor([0.5, 0.3, 0.2]))


def test_hard_draws_a_uniform_pool_and_has_no_log_q() -> None:
    hard = build_proposal("hard", 50, class_counts=None, pool_size=20)
    assert isinstance(hard, Hard)
    assert hard.pool_size == 20
    assert not hasattr(hard, "log_q")
    assert hard.sample(1000, torch.Generator().manual_seed(0)).unique().numel() == 50
    assert build_proposal("hard", 50).pool_size == 50


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_log_q_keeps_its_precision_whatever_the_layer_is_cast_to(dtype: torch.dtype) -> None:
    counts, every = torch.arange(1, 1001), torch.arange(1000)
    proposal = Popularity(counts, 0.75)
    before = proposal.log_q(every)
    assert torch.equal(proposal.to(dtype).log_q(every), before)
    expected = (counts.double() ** 0.75 / (counts.double() ** 0.75).sum()).log()
    torch.testing.assert_close(before.double(), expected, rtol=1e-6, atol=0)


def test_log_q_sums_to_one() -> None:
    mixed = build_proposal("mixed", 7, class_counts=torch.arange(7))
    for proposal in (Uniform(7), Popularity(torch.arange(7), 0.75), mixed):
        assert proposal.log_q(torch.arange(7)).exp().sum().item() == pytest.approx(1)


def test_draws_come_from_the_generator_alone() -> None:
    for proposal in (Uniform(1000), Popularity(torch.arange(1000), 1.0)):
        first = proposal.sample(50, torch.Generator().manual_seed(4))
        torch.manual_seed(99)
        assert torch.equal(first, proposal.sample(50, torch.Generator().manual_seed(4)))


@pytest.mark.parametrize(
    ("name", "counts", "power", "says"),
    [
        ("nearest", None, 1.0, "allowed are uniform, popularity, mixed, in_batch, hard"),
        ("popularity", None, 1.0, "needs class_counts"),
        ("popularity", torch.ones(4), 1.0, "4 counts for 3 classes"),
        ("popularity", torch.tensor([1, -1, 2]), 1.0, "one count >= 0 per class"),
        ("mixed", torch.tensor([1, torch.nan, 2]), 1.0, "one count >= 0 per class"),
        ("in_batch", torch.tensor([1, torch.inf, 2]), 1.0, "one count >= 0 per class"),
        ("popularity", torch.ones(3), 3.0, "popularity_power=3.0; allowed are 0 to 2"),
    ],
)
def test_a_proposal_that_cannot_be_built_says_why(
    name: str, counts: torch.Tensor | None, power: float, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        build_proposal(name, 3, class_counts=counts, popularity_power=power)
