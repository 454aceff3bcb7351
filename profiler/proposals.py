"""Proposals: how the negatives of a sampled loss are drawn, and the log of each class's chance.

A proposal has `sample(n, generator) -> LongTensor[n]`, draws with replacement on the device of its
table, and `log_q(ids)`, log-probabilities of the same shape as `ids` in float32, whatever dtype the
layer is cast to. Two kinds say more, which a layer has to know: with `in_batch` the negatives are
the targets of the batch's other rows, with `pool_size` they are the highest-scoring of that many
draws and have no log q. The tables are buffers, so they move with the layer, but are not saved with
it: they follow from the training counts.
"""

import math

import torch
from torch import nn

FLOOR_COUNT = 0.5  # of a class that training never saw: every class can be drawn
_FRACTION_BITS = 31


class Uniform(nn.Module):
    """Every class with the same chance, 1 / C."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.register_buffer("device_holder", torch.empty(0), persistent=False)
        self.device_holder: torch.Tensor

    def sample(self, n: int, generator: torch.Generator | None) -> torch.Tensor:
        """n classes with replacement."""
        device = self.device_holder.device
        return torch.randint(self.n_classes, (n,), generator=generator, device=device)

    def log_q(self, ids: torch.Tensor) -> torch.Tensor:
        """Log-probability of each class of `ids`."""
        return torch.full(ids.shape, -math.log(self.n_classes), device=ids.device)


class Popularity(nn.Module):
    """Class j with chance proportional to max(count_j, 1/2)^power, by an alias table (Walker 1977).

    With `uniform_share` u, each draw is uniform with chance u: q = (1 - u) q_popularity + u / C.

    One draw is one random integer and one lookup: its high part is a slot, its low part is
    compared with the slot's acceptance threshold, which lies packed with the slot's alias in one
    int64. Memory 12 bytes a class.

    >>> proposal = Popularity(torch.tensor([8, 1, 0]), power=1.0)
    >>> [round(q, 3) for q in proposal.log_q(torch.arange(3)).exp().tolist()]
    [0.842, 0.105, 0.053]
    """

    def __init__(
        self, class_counts: torch.Tensor, power: float, *, uniform_share: float = 0.0
    ) -> None:
        super().__init__()
        is_count = (class_counts >= 0) & class_counts.isfinite()
        if class_counts.ndim != 1 or len(class_counts) == 0 or not bool(is_count.all()):
            raise ValueError("class_counts must hold one count >= 0 per class")
        if not 0 <= power <= 2:
            raise ValueError(f"popularity_power={power}; allowed are 0 to 2")
        mass = class_counts.double().clamp_min(FLOOR_COUNT) ** power
        q = (1 - uniform_share) * mass / mass.sum() + uniform_share / len(mass)
        self.n_classes = len(q)
        self.register_buffer("table", _packed_alias_table(q), persistent=False)
        # As bits: a layer cast to bfloat16 must not round its log q, which is about -10.
        bits = q.log().float().view(torch.int32)
        self.register_buffer("log_chance_bits", bits, persistent=False)
        self.table: torch.Tensor
        self.log_chance_bits: torch.Tensor

    def sample(self, n: int, generator: torch.Generator | None) -> torch.Tensor:
        """n classes with replacement."""
        high = self.n_classes << _FRACTION_BITS
        drawn = torch.randint(high, (n,), generator=generator, device=self.table.device)
        slot = drawn >> _FRACTION_BITS
        entry = self.table.index_select(0, slot)  # faster than table[slot]
        fraction = drawn.bitwise_and_((1 << _FRACTION_BITS) - 1)  # in place: no fresh memory
        alias = entry & 0xFFFFFFFF
        return torch.where(fraction < entry.bitwise_right_shift_(32), slot, alias)

    def log_q(self, ids: torch.Tensor) -> torch.Tensor:
        """Log-probability of each class of `ids`."""
        return self.log_chance_bits[ids].view(torch.float32)


class InBatch(Popularity):
    """The targets of the batch's other rows: popularity in training is what they are drawn from.

    A layer that heeds `in_batch` takes them from the batch; `sample` draws from the same law.
    """

    in_batch = True

    def __init__(self, class_counts: torch.Tensor) -> None:
        super().__init__(class_counts, 1.0)


class Hard(nn.Module):
    """A uniform pool, of which each row takes the classes that score highest; it has no log q."""

    def __init__(self, n_classes: int, pool_size: int) -> None:
        super().__init__()
        if not 1 <= pool_size <= n_classes:
            raise ValueError(f"pool_size={pool_size}; allowed are 1 to {n_classes} classes")
        self.pool_size = pool_size
        self.uniform = Uniform(n_classes)

    def sample(self, n: int, generator: torch.Generator | None) -> torch.Tensor:
        """n classes for the pool, with replacement."""
        return self.uniform.sample(n, generator)


def build_proposal(
    name: str,
    n_classes: int,
    *,
    class_counts: torch.Tensor | None = None,
    popularity_power: float = 1.0,
    pool_size: int | None = None,
) -> Uniform | Popularity | Hard:
    """A proposal by name; raises ValueError for another name and where counts are missing."""
    if name == "uniform":
        return Uniform(n_classes)
    if name == "hard":
        return Hard(n_classes, min(2048, n_classes) if pool_size is None else pool_size)
    if name not in ("popularity", "mixed", "in_batch"):
        raise ValueError(
            f"unknown proposal {name!r}; allowed are uniform, popularity, mixed, in_batch, hard"
        )
    if class_counts is None:
        raise ValueError(f"proposal {name!r} needs class_counts, one training count per class")
    if len(class_counts) != n_classes:
        raise ValueError(f"class_counts holds {len(class_counts)} counts for {n_classes} classes")
    if name == "in_batch":
        return InBatch(class_counts)
    uniform_share = 0.5 if name == "mixed" else 0.0
    return Popularity(class_counts, popularity_power, uniform_share=uniform_share)


def _packed_alias_table(q: torch.Tensor) -> torch.Tensor:
    """Per class its acceptance threshold (high 32 bits, of 2^31) and its alias (low 32 bits).

    The sweep that fills light slots (q C < 1) from heavy ones in turn is two sorted searches
    (Huebschle-Schneider & Sanders 2019): D_i is what the first i lights lack, S_j what the first
    j heavies have to give; a heavy that has given all becomes light and leans on the next one.
    """
    mass = q * len(q)
    light, heavy = (mass < 1).nonzero()[:, 0], (mass >= 1).nonzero()[:, 0]
    accept, alias = torch.ones_like(mass), torch.arange(len(q))
    if len(light) and len(heavy):
        lacks, gives = (1 - mass[light]).cumsum(0), (mass[heavy] - 1).cumsum(0)
        lacked_before = torch.cat((lacks.new_zeros(1), lacks[:-1]))
        giver = torch.searchsorted(gives, lacked_before, right=True)
        accept[light] = mass[light]
        alias[light] = heavy[giver.clamp_max(len(heavy) - 1)]
        last = torch.searchsorted(lacks, gives[:-1])
        spent = last < len(light)
        overdrawn = lacks[last.clamp_max(len(light) - 1)] - gives[:-1]
        accept[heavy[:-1]] = torch.where(spent, 1 - overdrawn, 1.0).clamp(0, 1)
        alias[heavy[:-1]] = heavy[1:]
    threshold = (accept * 2**_FRACTION_BITS).round().long()
    whole = threshold >= 2**_FRACTION_BITS  # would not fit: the alias is the slot itself instead
    alias, threshold = torch.where(whole, torch.arange(len(q)), alias), threshold * ~whole
    return threshold << 32 | alias
