"""How far sampled softmax is from softmax at fixed scores: bias and variance by the delta method.

Of the form with correction 'importance', whose sum over K draws estimates softmax's (theory notes
2.1): first order in V / K, good once K is well above V. pi[C] are the softmax probabilities of a
row, q[C] the chances of a draw; draws that hit the target y are left out.
"""

from collections.abc import Sequence


def proposal_spread(pi: Sequence[float], q: Sequence[float], target: int) -> float:
    """V = sum_{j != y} pi_j^2 / q_j, q taken over the classes other than the target y.

    It is at least (1 - pi_y)^2, and equal to it where q is proportional to pi: the one number
    that says how good q is.
    """
    others = 1 - q[target]
    ratios = (p * p / c for j, (p, c) in enumerate(zip(pi, q, strict=True)) if j != target)
    return others * sum(ratios)


def loss_bias(pi: Sequence[float], q: Sequence[float], target: int, n_negatives: int) -> float:
    """Mean sampled loss less softmax's; never above 0."""
    excess = proposal_spread(pi, q, target) - (1 - pi[target]) ** 2
    return -excess / (2 * _n_effective(q, target, n_negatives))


def gradient_bias(
    pi: Sequence[float], q: Sequence[float], target: int, n_negatives: int
) -> list[float]:
    """Mean sampled gradient in the scores[C] less softmax's."""
    v, p_y = proposal_spread(pi, q, target), pi[target]
    others, m = 1 - q[target], _n_effective(q, target, n_negatives)
    found: list[float] = []
    for j, (p, chance) in enumerate(zip(pi, q, strict=True)):
        own = (1 - p_y) ** 2 if j == target else others * p / chance - p_y * (1 - p_y)
        found.append(p / m * (v - own))
    return found


def gradient_variance(
    pi: Sequence[float], q: Sequence[float], target: int, n_negatives: int
) -> float:
    """Variance over the draws of the gradient in the scores, summed over the scores."""
    v, p_y = proposal_spread(pi, q, target), pi[target]
    total = p_y * p_y * (v - (1 - p_y) ** 2)
    for j, (p, chance) in enumerate(zip(pi, q, strict=True)):
        if j != target:
            own = (1 - q[target]) * p * p / chance * (1 - 2 * p)
            total += own + p * p * (v - p_y * p_y)
    return total / _n_effective(q, target, n_negatives)


def _n_effective(q: Sequence[float], target: int, n_negatives: int) -> float:
    """Draws that do not hit the target, in the mean."""
    return n_negatives * (1 - q[target])
