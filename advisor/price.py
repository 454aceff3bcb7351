"""Price: what an answer costs in money, where it is known what the device costs an hour.

In whatever currency that is: nothing here knows one. No answer is another for its price.
"""

from advisor.recommendation import NextExperiment, RankedCandidate, Reason, Recommendation
from advisor.value import Interval

_SOURCE = "money per hour of the device, as it is set"
_SECONDS_PER_HOUR = 3600.0


def priced(answer: Recommendation, money_per_hour: float | None) -> Recommendation:
    """The answer with the price of each training and of the next experiment; as it is for None."""
    if money_per_hour is None:
        return answer
    ranking = tuple(_priced(ranked, money_per_hour) for ranked in answer.ranking)
    return answer.model_copy(
        update={
            "money_per_hour": money_per_hour,
            "ranking": ranking,
            "next_experiment": _experiment(answer.next_experiment, money_per_hour),
            "reasons": (*answer.reasons, *_reasons(ranking[0], money_per_hour)),
        }
    )


def money(seconds: float, money_per_hour: float) -> float:
    """What so many seconds cost."""
    return seconds / _SECONDS_PER_HOUR * money_per_hour


def _priced(ranked: RankedCandidate, money_per_hour: float) -> RankedCandidate:
    if (seconds := ranked.train_seconds) is None:
        return ranked
    ends = {name: money(value, money_per_hour) for name, value in seconds}
    return ranked.model_copy(update={"train_money": Interval(**ends)})


def _experiment(next_: NextExperiment | None, money_per_hour: float) -> NextExperiment | None:
    if next_ is None:
        return None
    return next_.model_copy(update={"budget_money": money(next_.budget_seconds, money_per_hour)})


def _reasons(best: RankedCandidate, money_per_hour: float) -> tuple[Reason, ...]:
    if (price := best.train_money) is None:
        return ()
    text = (
        f"Training {best.loss} costs {price.mean:.3g} ({price.low:.3g} to {price.high:.3g}), at "
        f"{money_per_hour:g} an hour."
    )
    return (Reason(text=text, source=_SOURCE),)
