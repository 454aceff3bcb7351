"""Outlook: what is known of a task before a study of it begins, for first trials and for pruning.

A recommendation names one setting of each loss; an outlook speaks of all of them, and of what lies
between them by the nearest.
"""

from collections.abc import Sequence
from dataclasses import replace

from advisor.automl.space import apart, points, searched
from advisor.belief import beliefs
from advisor.evidence import Candidate, Profile
from advisor.prior import EMPTY_BANK, Bank, Prior, general_prior
from advisor.recommendation import Recommendation

_USUAL_STEPS = 2048.0  # of a training to its horizon


class Outlook:
    """How the curve of any setting of a recommendation's task should go, by what is stored."""

    def __init__(
        self,
        recommendation: Recommendation,
        profiles: Sequence[Profile] = (),
        bank: Bank = EMPTY_BANK,
    ) -> None:
        """`profiles` and `bank` as for `recommend`."""
        task, statistics, self._space = searched(recommendation)
        mine = recommendation.task_fingerprint
        own = [p for p in profiles if mine is not None and p.task_fingerprint == mine]
        known = bank.joined([p for p in profiles if p not in own])
        self._points = points(recommendation)
        self._believed = beliefs(task, statistics, self._space, own, bank=known)
        candidates = [b.candidate for b in self._believed]
        self._place = {c.key: i for i, c in enumerate(candidates)}
        self._prior = known.prior(task, statistics, candidates)

    def first(self) -> tuple[Candidate, ...]:
        """What to try first: what is advised, then every setting by the metric expected of it.

        Where nothing is stored, the other losses at their best settings.
        """
        feasible = [(b.mean, b.candidate) for b in self._believed if b.infeasible is None]
        known = [(mean, candidate) for mean, candidate in feasible if mean is not None]
        if not known:
            return self._points
        ordered = sorted(known, key=lambda found: -found[0])
        return tuple(dict.fromkeys((self._points[0], *(candidate for _, candidate in ordered))))

    def nearest(self, asked: Candidate) -> Candidate:
        """The setting of the same loss that it is most alike."""
        return min(self._space[asked.loss], key=lambda known: apart(asked, known))

    def horizon_steps(self, known: Candidate) -> float:
        """Training steps of such a setting to the horizon."""
        return self._believed[self._place[known.key]].horizon_steps

    def prior(self, known: Sequence[Candidate]) -> Prior:
        """What is expected of such settings."""
        rows = [self._place[k.key] for k in known]
        of_all = self._prior
        return replace(of_all, mean=of_all.mean[rows], widening=of_all.widening[rows])


class Blind:
    """The outlook of a task that is not known: all curves are of one general shape."""

    def nearest(self, asked: Candidate) -> Candidate:
        return Candidate(loss=asked.loss, settings={})

    def horizon_steps(self, known: Candidate) -> float:
        del known
        return _USUAL_STEPS

    def prior(self, known: Sequence[Candidate]) -> Prior:
        return general_prior(len(known))
