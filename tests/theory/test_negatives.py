"""Negatives that no fixed q draws: those of the batch, and the highest-scoring of a pool."""

import itertools

import torch

from tests.theory.populations import Population, centred, chance_of, uniform

LAWS = torch.tensor([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]], dtype=torch.double)


def _in_batch_optimum(correction: str, batch_size: int = 3) -> torch.Tensor:
    """scores[2, 3]: two kinds of rows, equally frequent, each with its law; every batch of them
    in turn. The negatives of a row are the targets of the others."""
    n_laws, n_classes = LAWS.shape
    q = LAWS.mean(0)
    population = Population(
        "sampled_softmax",
        q,
        n_laws,
        proposal="in_batch",
        correction=correction,
        class_counts=torch.ones(n_classes),
    )
    kinds = list(itertools.product(range(n_laws), range(n_classes)))
    chances = torch.tensor([float(LAWS[law, y]) / n_laws for law, y in kinds])
    batches = []
    for rows in itertools.combinations_with_replacement(range(len(kinds)), batch_size):
        law, target = torch.tensor([kinds[row] for row in rows]).unbind(1)
        batches.append((chance_of(rows, chances), population.hidden[law], target))

    def risk() -> torch.Tensor:
        losses = [chance * population.layer(hidden, y) for chance, hidden, y in batches]
        return torch.stack(losses).sum()

    return population.minimise_risk(risk)


def test_targets_of_the_batch_as_negatives_give_log_p_with_the_correction() -> None:
    found = _in_batch_optimum("both")
    torch.testing.assert_close(centred(found), centred(LAWS.log()), rtol=0, atol=1e-5)


def test_targets_of_the_batch_as_negatives_give_log_p_over_q_without_it() -> None:
    found = _in_batch_optimum("none")
    expected = (LAWS / LAWS.mean(0)).log()
    torch.testing.assert_close(centred(found), centred(expected), rtol=0, atol=1e-5)


def _hard_optimum(counts: list[int], pool_size: int, n_negatives: int = 1) -> torch.Tensor:
    """scores[C] of least risk; it is convex with kinks at ties, so by decaying steps."""
    population = Population(
        "sampled_softmax",
        uniform(len(counts)),
        n_negatives=n_negatives,
        proposal="hard",
        pool_size=pool_size,
        correction="none",
    )
    target = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    hidden = torch.ones(len(target), 1, dtype=torch.double)
    with torch.no_grad():
        population.weight.copy_(torch.tensor(counts).double().log()[:, None])
    optimiser = torch.optim.SGD([population.weight])
    average, n_steps = torch.zeros(len(counts), dtype=torch.double), 300
    for step in range(n_steps):
        optimiser.param_groups[0]["lr"] = 4 / (1 + step / 20)
        population.layer.zero_grad()
        population.risk(hidden, target).backward()
        optimiser.step()
        average += population.weight.detach()[:, 0] * (step >= n_steps // 2)
    return centred(average / (n_steps // 2))


def test_the_highest_of_a_pool_as_negative_ties_classes_of_different_p() -> None:
    found = _hard_optimum([14, 3, 2, 1], pool_size=3)
    assert float(found[0] - found[1]) > 1
    assert float(found[1:].max() - found[1:].min()) < 0.05
    flat = _hard_optimum([6, 5, 5, 4], pool_size=3)
    assert float(flat.max() - flat.min()) < 0.05
