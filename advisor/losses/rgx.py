"""Card of RG-times, the second-order Taylor form of softmax: exact, without a B x C product."""

from advisor.card import Consistency, LossCard, Setting, Settings, StepShape
from advisor.task import Metric

RANKED_BY_P = ("ndcg", "recall", "mrr")

CARD = LossCard(
    name="rgx",
    title="RG-times, Taylor form of softmax by Gram matrices",
    family="exact",
    formula="L = -s_y + mean_j s_j + 1/2 (mean_j s_j^2 - (mean_j s_j)^2)",
    minimiser="s = C p + c",
    smoothness="1/C in every direction but a shift of all scores, which changes nothing",
    gradient_bias="none for its own minimiser; against softmax it is the gap of the Taylor "
    "expansion, large where one class is hot",
    gradient_variance="of the batch only; no negatives are drawn",
    step_cost="4 C D^2 + 6 B D^2 flop: cheaper than softmax when D < 1.5 B",
    has_probabilities=False,
    inner_product_serving=True,
    settings=(
        Setting(
            name="learning_rate",
            choices=(1e-2, 3e-3, 1e-3, 3e-2),
            minimum=1e-7,
            maximum=10,
            description="of Adam, for the classes and the encoder",
        ),
        Setting(
            name="weight_decay",
            choices=(1e-6, 1e-5),
            minimum=0,
            maximum=10,
            description="L2 term of Adam, for the classes and the encoder; acts against a "
            "curvature of 1/C",
        ),
    ),
    claims=(),
    sources=(
        "arXiv 2506.09454, RG-times (abstract and code read)",
        "Pu et al., ICML 2024, RG2 (abstract and code read)",
        "Pu, Lian & Chen, arXiv 2601.22745 (abstract only)",
    ),
)


def consistency(metric: Metric, settings: Settings) -> Consistency:
    """Whether the minimiser ranks as the metric wants."""
    del settings
    if metric.name not in RANKED_BY_P:
        return Consistency(
            status="unknown",
            reason=f"theory says nothing about rgx and {metric}",
            source="theory notes 4",
        )
    return Consistency(
        status="consistent",
        reason=f"its minimiser, C p + c, orders the classes by p, the best order for {metric} "
        "with one positive per row; with several it orders by expected relevance, which is "
        "best for DCG but not exactly for NDCG, recall and MRR",
        source="theory notes 1.5, derived and checked numerically",
    )


def step_flop(shape: StepShape, settings: Settings) -> float:
    """Gram matrices of the classes and of the batch, their products, and Adam on every class."""
    del settings
    b, c, d = shape.batch_size, shape.n_classes, shape.embedding_dim
    return 4.0 * c * d * d + 6.0 * b * d * d + 25.0 * c * (d + 1)


def step_bytes(shape: StepShape, settings: Settings) -> float:
    """Parameters, gradients and two moments of every class, and the batch's rows; float32."""
    del settings
    b, c, d = shape.batch_size, shape.n_classes, shape.embedding_dim
    return 4.0 * (4 * c * (d + 1) + 6 * b * d + 3 * d * d)
