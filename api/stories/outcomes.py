"""The story of an outcome: what full training gave becomes a profile of the task it was for."""

from advisor.outcome import FullTraining, description_fingerprint, told_profile
from api.stories.recommend import known_device, prepared_again
from api.stories.service import Service
from store.outcomes import StoredOutcome


def tell(
    service: Service, tenant: str, recommendation_id: str, training: FullTraining
) -> StoredOutcome:
    """Keep what training with a candidate of an answer gave; later answers rest on it too.

    A second one of the same candidate takes the place of the first. Raises NotFoundError, and
    TaskInvalidError for a loss, setting, device or value that does not fit the answer.
    """
    answer = service.store.recommendations.get(tenant, recommendation_id)
    device = known_device(service, tenant, training.device or answer.device_id)
    prepared = prepared_again(service, tenant, answer, device)
    if prepared is not None:
        statistics, fingerprint = prepared.statistics, prepared.task_fingerprint
    else:
        assert answer.task.statistics is not None  # a description has them
        statistics = answer.task.statistics
        fingerprint = description_fingerprint(answer.task, statistics)
    profile = told_profile(training, answer, statistics, fingerprint, device)
    return service.store.outcomes.save(recommendation_id, training, profile)


def told(service: Service, tenant: str, recommendation_id: str) -> tuple[StoredOutcome, ...]:
    """All that was told of an answer, newest first; raises NotFoundError."""
    service.store.recommendations.get(tenant, recommendation_id)
    return service.store.outcomes.list(tenant, recommendation_id)
