"""What a diagnosis says of a gradient, in plain words; nothing where there is nothing to say."""

from collections.abc import Mapping

from advisor.evidence import Candidate, Diagnosis, GradientAgreement
from advisor.recommendation import RankedCandidate, Reason, Recommendation
from advisor.task import SettingValue

_DRAWN = {
    "uniform": "drawn uniformly",
    "popularity": "drawn by popularity",
    "in_batch": "taken from the batch",
    "mixed": "drawn half by popularity, half uniformly",
    "hard": "of the highest scores in a uniform pool",
}
_SPARSE_SHARE = 0.5  # of the classes: where more are touched, nothing is saved by it
_BIASED_COSINE, _BIASED_FLOORS = 0.95, 3.0  # of the mean, and its bias in floors, for saying so


def with_diagnoses(
    answer: Recommendation, diagnoses: Mapping[str, Diagnosis], elapsed_seconds: float
) -> Recommendation:
    """The same answer with what the gradients of its candidates, by key, are like on this task.

    The answer's own reasons get one sentence: of the loss that it names, else of the likeliest
    other that there is one of.
    """

    def own(ranked: RankedCandidate) -> tuple[Reason, ...]:
        diagnosis = diagnoses.get(Candidate(loss=ranked.loss, settings=ranked.settings).key)
        return gradient_reasons(ranked.loss, ranked.settings, diagnosis) if diagnosis else ()

    ranking = tuple(r.model_copy(update={"reasons": (*r.reasons, *own(r))}) for r in answer.ranking)
    named, *others = answer.ranking
    likeliest = (named, *sorted(others, key=lambda r: -r.p_best))
    first = next((reasons[:1] for r in likeliest if (reasons := own(r))), ())
    changed = {"ranking": ranking, "reasons": (*answer.reasons, *first)}
    return answer.model_copy(update={**changed, "elapsed_seconds": elapsed_seconds})


def gradient_reasons(
    loss: str, settings: Mapping[str, SettingValue], diagnosis: Diagnosis
) -> tuple[Reason, ...]:
    """Of a sampled loss its cosine to the exact gradient, then figures; of a sparse its support."""
    agreement, support = diagnosis.agreement, diagnosis.support
    found: list[Reason] = []
    if agreement is not None and agreement.n_negatives is not None:
        source = f"measured on this task (gradient of one batch, {agreement.n_draws} draws)"
        more = diagnosis.more_negatives
        drawn = _DRAWN.get(str(settings.get("proposal", "uniform")), "drawn")
        text = _cosine_sentence(loss, drawn, agreement, more)
        found.append(Reason(text=text, source=source))
        found.append(Reason(text=_figures(agreement, diagnosis), source=source))
    if support is not None and support.classes <= _SPARSE_SHARE * diagnosis.n_classes:
        text = (
            f"The gradient of {loss} touches {support.classes:,.0f} of {diagnosis.n_classes:,} "
            f"classes per row"
        )
        if support.target_outside:
            text += f"; in {support.target_outside:.0%} of the rows the target has probability 0"
        found.append(Reason(text=f"{text}.", source="measured on this task (rows of one batch)"))
    return tuple(found)


def _cosine_sentence(
    loss: str, drawn: str, own: GradientAgreement, more: GradientAgreement | None
) -> str:
    plural = "" if own.n_negatives == 1 else "s"
    text = (
        f"With {own.n_negatives:,} negative{plural} {drawn} the gradient of {loss} has cosine "
        f"{_cosine(own.cosine.mean)} to the exact softmax gradient on your data"
    )
    if more is not None:
        text += f"; {more.n_negatives:,} would give {_cosine(more.cosine.mean)}"
    is_biased = own.bias > _BIASED_FLOORS * own.bias_floor and own.cosine_of_mean < _BIASED_COSINE
    if is_biased:
        text += (
            f". The mean over the draws has {_cosine(own.cosine_of_mean)}: the rest is bias, "
            f"not chance"
        )
    return f"{text}."


def _figures(own: GradientAgreement, diagnosis: Diagnosis) -> str:
    text = (
        f"Relative to the exact gradient's norm its bias is {own.bias:.2g} ({own.bias_floor:.2g} "
        f"by chance alone), and relative to the square its variance is {own.variance:.2g}"
    )
    if diagnosis.smoothness is not None:
        slope = diagnosis.smoothness.mean
        text += f"; along the way of training it changes by {slope:.2g} per unit of that way"
    return f"{text}."


def _cosine(value: float) -> str:
    """Three digits near 1, where they are what differs."""
    return f"{value:.3f}" if value > 0.985 else f"{value:.2f}"
