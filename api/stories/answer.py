"""The answer of a calibration as it is stored: the task as it was given, and what it rests on."""

from advisor.calibration import Calibration
from advisor.evidence import Candidate
from advisor.price import priced
from advisor.recommendation import RankedCandidate, Recommendation
from api.stories.read import as_given


def answer_of(
    calibration: Calibration,
    answer: Recommendation,
    profile_ids: dict[str, str],
    money_per_hour: float | None,
) -> Recommendation:
    """The answer with its calibration, the ids of the profiles by candidate key, and its price."""

    def with_own_profile(ranked: RankedCandidate) -> RankedCandidate:
        key = Candidate(loss=ranked.loss, settings=ranked.settings).key
        own = [profile_ids[key]] if key in profile_ids else []
        ids = dict.fromkeys([*own, *ranked.profile_ids])
        return ranked.model_copy(update={"profile_ids": tuple(ids)})

    whole = answer.model_copy(
        update={
            "task": as_given(calibration.task, answer.task),
            "calibration_id": calibration.id,
            "ranking": tuple(map(with_own_profile, answer.ranking)),
        }
    )
    return priced(whole, money_per_hour)
