"""Card of adaptive softmax: frequent classes at full width, clusters of rare ones at less."""

from advisor.card import Claim, Consistency, LossCard, Setting, Settings, StepShape
from advisor.task import Metric

DIV_VALUE = 4.0

CARD = LossCard(
    name="adaptive_softmax",
    title="Adaptive softmax",
    family="factorised",
    formula="L = -log p_head(y) for a frequent class, else -log p_head(i) - log p_i(y), i the "
    "cluster of y, seen in D / div_value^i dimensions",
    minimiser="the two-step probability is p, exactly",
    smoothness="1/2 in l2, in the scores of the head and of each cluster",
    gradient_bias="none of its own likelihood; it is factorised in two steps, so it is not "
    "comparable to softmax's",
    gradient_variance="of the batch only; no negatives are drawn",
    step_cost="6 (B D c + sum_i B_i D_i (D + N_i)) flop: c frequent classes and clusters for every "
    "row, N_i classes of cluster i for the B_i rows with their target in it",
    has_probabilities=True,
    inner_product_serving=False,
    settings=(
        Setting(
            name="learning_rate",
            choices=(3e-3, 1e-2, 5e-3, 1e-3),
            minimum=1e-7,
            maximum=10,
            description="of Adam, for the classes and the encoder",
        ),
        Setting(
            name="weight_decay",
            choices=(1e-4, 1e-5),
            minimum=0,
            maximum=10,
            description="L2 term of Adam, for the classes and the encoder",
        ),
        Setting(
            name="div_value",
            choices=(DIV_VALUE,),
            changes_cost=True,
            minimum=1,
            description="how much narrower each cluster is than the one before",
        ),
    ),
    claims=(
        Claim(
            topic="minimiser",
            statement="The population minimiser has the log-probabilities log p.",
            status="proved",
            condition="logits of the head and of every cluster free, near ties among the laws",
            source="theory notes 3.2, derived and checked numerically",
            check="tests/theory/test_adaptive.py::test_free_logits_reach_any_law_and_its_order[0]",
        ),
        Claim(
            topic="order",
            statement="Its minimiser orders the classes strictly as p does.",
            status="proved",
            condition="logits of the head and of every cluster free",
            source="theory notes 3.2, derived and checked numerically",
            check="tests/theory/test_adaptive.py::test_free_logits_reach_any_law_and_its_order[1]",
        ),
        Claim(
            topic="order",
            statement="The log-odds inside cluster i have rank D / div_value^i at most: the "
            "order of rare classes is that of a model of so few dimensions.",
            status="proved",
            condition="a last cluster of one dimension knows one order and its reverse",
            source="theory notes 3.2",
            check="tests/theory/test_adaptive.py"
            "::test_the_log_odds_inside_a_tail_cluster_have_the_rank_of_its_projection",
        ),
        Claim(
            topic="order",
            statement="Recall suffers in the clusters and not in the head.",
            status="assumed",
            condition="few dimensions",
            source="theory notes 3.2 and 5, item 10",
            check=None,
            unchecked_because="depends on the data; the calibration measures the metric over "
            "all classes",
        ),
        Claim(
            topic="normalisation",
            statement="The probabilities sum to 1.",
            status="proved",
            condition="any parameters",
            source="theory notes 3.2",
            check="tests/theory/test_adaptive.py::test_the_probabilities_sum_to_1",
        ),
        Claim(
            topic="smoothness",
            statement="In the logits of the head and in those of each cluster the gradient is "
            "Lipschitz with constant 1/2.",
            status="proved",
            condition="l2 norm, one example",
            source="theory notes 3.2",
            check="tests/theory/test_adaptive.py::test_each_level_is_as_smooth_as_softmax",
        ),
    ),
    sources=(
        "Grave et al. 2017, Efficient softmax approximation for GPUs",
        "torch.nn.AdaptiveLogSoftmaxWithLoss (documentation)",
        "Pu, Lian & Chen, arXiv 2601.22745 (abstract only)",
    ),
)


def consistency(metric: Metric, settings: Settings) -> Consistency:
    """Whether the minimiser ranks as the metric wants: if the narrow clusters can represent it."""
    div_value = float(settings.get("div_value", DIV_VALUE))
    return Consistency(
        status="conditional",
        reason=f"with free scores its minimiser is p, the best order for {metric} with one "
        "positive per row, but rare classes are scored in few dimensions (D / "
        f"{div_value:g}, D / {div_value**2:g}), so that their order can suffer; with several "
        "positives it orders by expected relevance, which is best for DCG but not exactly for "
        "NDCG, recall and MRR",
        source="theory notes 3.2, derived",
    )


def likelihood(settings: Settings) -> Consistency:
    """Whether the minimiser's probabilities are p: if the narrow clusters can represent it."""
    del settings
    return Consistency(
        status="conditional",
        reason="with free scores its minimiser's probabilities are p, but those of rare classes "
        "are formed in few dimensions",
        source="theory notes 3.2, checked numerically",
    )


def _clusters(shape: StepShape, settings: Settings) -> list[tuple[float, float, float]]:
    """Of the head and each cluster: its classes, its dimensions, the share of rows in it.

    The shares are those of Zipf classes with exponent 1, about, of 100,000 classes; flat
    frequencies put nearly all rows into the last cluster.
    """
    c, d = shape.n_classes, shape.embedding_dim
    div_value = min(float(settings.get("div_value", DIV_VALUE)), d**0.5)
    return [
        (0.02 * c + 2, d, 1.0),
        (0.18 * c, d / div_value, 0.2),
        (0.8 * c, d / div_value**2, 0.14),
    ]


def step_flop(shape: StepShape, settings: Settings) -> float:
    """Three products per cluster and row with its target in it, and Adam on every class."""
    b, d = shape.batch_size, shape.embedding_dim
    total = 0.0
    for n, width, share in _clusters(shape, settings):
        total += share * b * (6.0 * width * (n + d) + 10.0 * n) + 15.0 * width * (n + d)
    return total


def step_bytes(shape: StepShape, settings: Settings) -> float:
    """Parameters, gradients, two moments; scores of the head and of visited clusters; float32."""
    b, d = shape.batch_size, shape.embedding_dim
    total = 10.0 * b * d
    for n, width, share in _clusters(shape, settings):
        total += 4 * width * (n + d) + 4 * share * b * n
    return 4.0 * total
