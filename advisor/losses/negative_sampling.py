"""Card of negative sampling: binary cross-entropy on the target and K drawn classes."""

from advisor.card import Claim, Consistency, LossCard, Setting, Settings, StepShape
from advisor.task import Metric

N_NEGATIVES = 256

CARD = LossCard(
    name="negative_sampling",
    title="Negative sampling (binary cross-entropy)",
    family="sampled",
    formula="L = -beta log sigmoid(s_y) - sum_{j in S} log sigmoid(-s_j), S = K draws from q, "
    "beta = 1 - t (1 - K / (C - 1)), t the calibration: BCE at 0, gBCE above",
    minimiser="s = log(p / q) - log(K / beta); log p + log(C / (C - 1)) for a uniform q and t = 1",
    smoothness="(beta + the largest multiplicity of a draw) / 4, diagonal",
    gradient_bias="large against softmax: another loss, which does not normalise",
    gradient_variance="of the draws: falls as 1 / K relative to their mean",
    step_cost="6 B K D flop, whatever C is; the optimiser touches B + K rows, "
    "B (1 + K) with draws per row",
    has_probabilities=False,
    inner_product_serving=True,
    settings=(
        Setting(
            name="learning_rate",
            choices=(3e-3, 1e-3, 1e-2, 3e-4),
            minimum=1e-7,
            maximum=10,
            description="of Adam, for the classes and the encoder",
        ),
        Setting(
            name="weight_decay",
            choices=(1e-4, 1e-5),
            minimum=0,
            maximum=10,
            description="L2 term of Adam on the touched rows, for the classes and the encoder",
        ),
        Setting(
            name="n_negatives",
            choices=(N_NEGATIVES,),
            changes_cost=True,
            at_most_classes=True,
            minimum=1,
            description="classes drawn for each row or for all rows of a step",
        ),
        Setting(
            name="negatives",
            choices=("shared",),
            changes_cost=True,
            allowed=("shared", "per_row"),
            description="one set of draws for all rows of a step, or one for each row",
        ),
        Setting(
            name="calibration",
            choices=(0.0,),
            minimum=0,
            maximum=1,
            description="t of gBCE: from plain BCE at 0 to probabilities that are calibrated at 1",
        ),
        Setting(
            name="proposal",
            choices=("uniform",),
            changes_cost=True,
            allowed=("uniform", "popularity", "mixed"),
            description="how negatives are drawn; only 'uniform' ranks by p",
        ),
        Setting(
            name="popularity_power",
            choices=(1.0,),
            minimum=0,
            maximum=2,
            only_with={"proposal": ("popularity",)},
            description="q is proportional to the training count to this power",
        ),
    ),
    claims=(
        Claim(
            topic="minimiser",
            statement="The population minimiser is s = log(p / q) - log K.",
            status="proved",
            condition="calibration 0, scores free for every row, q > 0, hits of the target kept",
            source="theory notes 2.3, checked by enumeration; Levy & Goldberg 2014 (recalled)",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[negative_sampling-popularity]",
        ),
        Claim(
            topic="minimiser",
            statement="With one uniform negative it is log p + log C: the scores are off from "
            "log p by log C.",
            status="proved",
            condition="K = 1, calibration 0",
            source="theory notes 2.3",
            check="tests/theory/test_minimisers.py"
            "::test_one_uniform_negative_leaves_scores_log_c_above_log_p",
        ),
        Claim(
            topic="minimiser",
            statement="With calibration t it is log(p / q) - log(K / beta), beta = 1 - t (1 - "
            "K / (C - 1)).",
            status="proved",
            condition="as above",
            source="derived here, checked by enumeration; Petrov & Macdonald 2023 (recalled)",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[negative_sampling-gbce]",
        ),
        Claim(
            topic="minimiser",
            statement="With t = 1 and a uniform proposal it is log p + log(C / (C - 1)): "
            "calibrated but for a factor near 1.",
            status="proved",
            condition="K < C, as above",
            source="derived here, checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[negative_sampling-calibrated]",
        ),
        Claim(
            topic="minimiser",
            statement="Draws for each row have the same minimiser as shared ones.",
            status="proved",
            condition="as above",
            source="checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[negative_sampling-per_row]",
        ),
        Claim(
            topic="order",
            statement="With a uniform proposal it orders the classes strictly as p does.",
            status="proved",
            condition="q uniform, scores free for every row",
            source="theory notes 2.3, checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_orders_the_classes_as_p[negative_sampling]",
        ),
        Claim(
            topic="order",
            statement="With a popularity proposal it orders by p / q, not by p.",
            status="proved",
            condition="q not uniform",
            source="theory notes 2.3, checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_a_popularity_proposal_without_log_q_misorders[negative_sampling-popularity]",
        ),
        Claim(
            topic="order",
            statement="Leaving a row's own positives out of its negatives lets their scores "
            "drift up without a counter-force.",
            status="reported",
            condition="negatives that exclude the history",
            source="theory notes 2.3",
            check=None,
            unchecked_because="the layer keeps hits of the target, which is what makes the "
            "minimiser exact",
        ),
        Claim(
            topic="smoothness",
            statement="The gradient in the scores is Lipschitz with constant (1 + the largest "
            "multiplicity of a draw) / 4: 1/2 for distinct draws.",
            status="proved",
            condition="l2 norm, one example, calibration 0",
            source="theory notes 2.3",
            check="tests/theory/test_smoothness.py"
            "::test_the_gradient_is_as_smooth_as_the_card_says[negative_sampling]",
        ),
        Claim(
            topic="smoothness",
            statement="A class drawn twice raises the constant to 3/4, where it is also the "
            "target.",
            status="proved",
            condition="l2 norm, one example, calibration 0",
            source="theory notes 2.3",
            check="tests/theory/test_smoothness.py"
            "::test_the_gradient_is_as_smooth_as_the_card_says[negative_sampling-twice]",
        ),
        Claim(
            topic="smoothness",
            statement="With calibration the constant is (beta + the largest multiplicity) / 4.",
            status="proved",
            condition="l2 norm, one example",
            source="derived here",
            check="tests/theory/test_smoothness.py"
            "::test_the_gradient_is_as_smooth_as_the_card_says[negative_sampling-gbce]",
        ),
        Claim(
            topic="smoothness",
            statement="The Hessian is diagonal; its largest eigenvalue is the constant, none "
            "is below 0.",
            status="proved",
            condition="one example",
            source="theory notes 2.3",
            check="tests/theory/test_smoothness.py"
            "::test_no_eigenvalue_of_the_hessian_is_above_the_constant[negative_sampling]",
        ),
        Claim(
            topic="gradient bias",
            statement="At its start the mean gradient is K / (K + 1) of softmax's.",
            status="proved",
            condition="all scores near -log K, q uniform, calibration 0",
            source="derived here, checked by enumeration",
            check="tests/theory/test_gradients.py"
            "::test_near_flat_scores_the_gradient_is_softmax_s_shrunk_to_k_over_k_plus_1[negative_sampling]",
        ),
        Claim(
            topic="gradient variance",
            statement="At its start the total variance over the draws is K (1 - 1/C) / (K + 1)^2.",
            status="proved",
            condition="all scores -log K, q uniform, calibration 0",
            source="derived here, checked by enumeration",
            check="tests/theory/test_gradients.py"
            "::test_near_flat_scores_the_variance_falls_with_k[negative_sampling]",
        ),
    ),
    sources=(
        "Mikolov et al. 2013, Distributed representations of words and phrases",
        "Levy & Goldberg 2014, Neural word embedding as implicit matrix factorization (recalled)",
        "Petrov & Macdonald 2023, gSASRec: reducing overconfidence in sequential recommendation "
        "trained with negative sampling (recalled)",
        "Pu, Lian & Chen, arXiv 2601.22745 (abstract only)",
    ),
)


def consistency(metric: Metric, settings: Settings) -> Consistency:
    """Whether the minimiser ranks as the metric wants; decided by the proposal."""
    source = "theory notes 2.3, derived and checked by enumeration; Levy & Goldberg 2014 (recalled)"
    if not _is_uniform(settings):
        return Consistency(
            status="inconsistent",
            reason="with a popularity proposal its minimiser is log(p / q) + c: popular "
            "classes are ranked too low, however long it trains",
            source=source,
        )
    return Consistency(
        status="consistent",
        reason=f"with a uniform proposal its minimiser, log p + c, orders the classes by p, the "
        f"best order for {metric} with one positive per row; with several it orders by "
        "expected relevance, which is best for DCG but not exactly for NDCG, recall and MRR",
        source=source,
    )


def _is_uniform(settings: Settings) -> bool:
    uniform = settings.get("proposal", "uniform") == "uniform"
    return uniform or settings.get("popularity_power", 1.0) == 0


def _n_negatives(shape: StepShape, settings: Settings) -> int:
    return min(int(settings.get("n_negatives", N_NEGATIVES)), shape.n_classes)


def _n_touched(shape: StepShape, settings: Settings) -> int:
    """Rows gathered and updated: of the targets and of the draws."""
    b, k = shape.batch_size, _n_negatives(shape, settings)
    return b * (1 + k) if settings.get("negatives") == "per_row" else b + k


def step_flop(shape: StepShape, settings: Settings) -> float:
    """Three matrix products of B x K x D, and Adam on the touched rows."""
    b, d, k = shape.batch_size, shape.embedding_dim, _n_negatives(shape, settings)
    return 6.0 * b * k * d + 15.0 * b * k + 40.0 * _n_touched(shape, settings) * (d + 1)


def step_bytes(shape: StepShape, settings: Settings) -> float:
    """Parameters, their block with two moments, what draws; touched rows, scores; float32."""
    b, d, k = shape.batch_size, shape.embedding_dim, _n_negatives(shape, settings)
    touched = _n_touched(shape, settings)
    rows = 3 * touched + 5 * min(touched, shape.n_classes)  # gathered; then updated, each once
    return 4.0 * (4 * shape.n_classes * (d + 2) + rows * (d + 1) + 6 * b * k)
