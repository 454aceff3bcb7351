"""Card of BPR: the pairwise logistic loss on the target and a drawn class."""

from advisor.card import Claim, Consistency, LossCard, Setting, Settings, StepShape
from advisor.task import Metric

CARD = LossCard(
    name="bpr",
    title="BPR, pairwise logistic loss",
    family="sampled",
    formula="L = mean_{j in S} -log sigmoid(s_y - s_j), S = K draws from q, for each row",
    minimiser="s = log(p / q) + c with one positive per row: log p + c for a uniform q",
    smoothness="1/2 in l2",
    gradient_bias="large against softmax: another loss, pairs instead of the whole list",
    gradient_variance="large: one negative a row carries little information",
    step_cost="6 B (1 + K) D flop, whatever C is; the optimiser touches B (1 + K) rows, B + K "
    "with shared draws",
    has_probabilities=False,
    inner_product_serving=True,
    settings=(
        Setting(
            name="learning_rate",
            choices=(3e-3, 1e-2, 1e-3, 3e-2),
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
            choices=(1,),
            changes_cost=True,
            at_most_classes=True,
            minimum=1,
            description="classes drawn for each row or for all rows of a step; their losses are "
            "averaged",
        ),
        Setting(
            name="negatives",
            choices=("per_row",),
            changes_cost=True,
            allowed=("per_row", "shared"),
            description="one set of draws for each row, or one for all rows of a step",
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
            statement="The population minimiser is s = log(p / q) + c.",
            status="proved",
            condition="one positive per row, scores free for every row, hits of the target kept",
            source="theory notes 1.6, checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[bpr-popularity]",
        ),
        Claim(
            topic="minimiser",
            statement="More draws, for each row or shared, do not change it.",
            status="proved",
            condition="their losses are averaged; K = 2",
            source="checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[bpr-shared]",
        ),
        Claim(
            topic="order",
            statement="With a uniform proposal it orders the classes strictly as p does.",
            status="proved",
            condition="one positive per row, q uniform, scores free for every row",
            source="theory notes 1.6, checked by enumeration",
            check="tests/theory/test_minimisers.py::test_the_optimum_orders_the_classes_as_p[bpr]",
        ),
        Claim(
            topic="order",
            statement="With a popularity proposal it orders by p / q, not by p.",
            status="proved",
            condition="q not uniform",
            source="theory notes 1.6, checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_a_popularity_proposal_without_log_q_misorders[bpr-popularity]",
        ),
        Claim(
            topic="order",
            statement="With several positives a row it orders by E[r_i], dependent labels "
            "included.",
            status="proved",
            condition="q uniform over all classes, each positive counted once",
            source="derived here, checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_bpr_orders_several_positives_by_their_expectation",
        ),
        Claim(
            topic="order",
            statement="With the row's other positives left out of the negatives, the order of "
            "the marginals can be violated.",
            status="reported",
            condition="dependent labels: 16 of 200 random joint laws; none where independent",
            source="theory notes 1.6",
            check=None,
            unchecked_because="the layer draws its negatives from all classes, where the "
            "claim above holds",
        ),
        Claim(
            topic="equality",
            statement="It is sampled softmax without correction and with one draw.",
            status="proved",
            condition="K = 1",
            source="theory notes 1.6",
            check="tests/theory/test_minimisers.py"
            "::test_bpr_is_uncorrected_sampled_softmax_of_one_draw",
        ),
        Claim(
            topic="smoothness",
            statement="The gradient in the scores is Lipschitz with constant 1/2.",
            status="proved",
            condition="l2 norm, one pair",
            source="theory notes 1.6",
            check="tests/theory/test_smoothness.py"
            "::test_the_gradient_is_as_smooth_as_the_card_says[bpr]",
        ),
        Claim(
            topic="smoothness",
            statement="The largest eigenvalue of the Hessian is 1/2, at equal scores; none is "
            "below 0.",
            status="proved",
            condition="one pair",
            source="theory notes 1.6",
            check="tests/theory/test_smoothness.py"
            "::test_no_eigenvalue_of_the_hessian_is_above_the_constant[bpr]",
        ),
        Claim(
            topic="gradient bias",
            statement="Near flat scores the mean gradient is half of softmax's.",
            status="proved",
            condition="nearly equal scores, q uniform, one draw",
            source="derived here, checked by enumeration",
            check="tests/theory/test_gradients.py"
            "::test_near_flat_scores_the_gradient_is_softmax_s_shrunk_to_k_over_k_plus_1[bpr]",
        ),
        Claim(
            topic="gradient variance",
            statement="At equal scores the total variance over the draws is (1 - 1/C) / 4, "
            "the most of all numbers of draws.",
            status="proved",
            condition="equal scores, q uniform, one draw",
            source="derived here, checked by enumeration",
            check="tests/theory/test_gradients.py"
            "::test_near_flat_scores_the_variance_falls_with_k[bpr]",
        ),
    ),
    sources=(
        "Rendle et al. 2009, BPR: Bayesian personalized ranking from implicit feedback",
        "Pu, Lian & Chen, arXiv 2601.22745 (abstract only)",
    ),
)


def consistency(metric: Metric, settings: Settings) -> Consistency:
    """Whether the minimiser ranks as the metric wants; decided by the proposal."""
    source = "theory notes 1.6, derived and checked by enumeration"
    if not _is_uniform(settings):
        return Consistency(
            status="inconsistent",
            reason="with a popularity proposal its minimiser is log(p / q) + c: popular classes "
            "are ranked too low, however long it trains",
            source=source,
        )
    return Consistency(
        status="consistent",
        reason=f"with uniform negatives its minimiser, log p + c, orders the classes by p, the "
        f"best order for {metric} with one positive per row; with several, as negatives are drawn "
        "from all classes, by expected relevance, which is best for DCG but not exactly for NDCG, "
        "recall and MRR",
        source=source,
    )


def _is_uniform(settings: Settings) -> bool:
    uniform = settings.get("proposal", "uniform") == "uniform"
    return uniform or settings.get("popularity_power", 1.0) == 0


def _n_negatives(shape: StepShape, settings: Settings) -> int:
    return min(int(settings.get("n_negatives", 1)), shape.n_classes)


def _n_touched(shape: StepShape, settings: Settings) -> int:
    """Rows gathered and updated: of the targets and of the draws."""
    b, k = shape.batch_size, _n_negatives(shape, settings)
    return b * (1 + k) if settings.get("negatives", "per_row") == "per_row" else b + k


def step_flop(shape: StepShape, settings: Settings) -> float:
    """Two dot products a pair, forward and backward, and Adam on the touched rows."""
    b, d, k = shape.batch_size, shape.embedding_dim, _n_negatives(shape, settings)
    return 6.0 * b * (k + 1) * d + 40.0 * _n_touched(shape, settings) * (d + 1)


def step_bytes(shape: StepShape, settings: Settings) -> float:
    """Parameters, their block with two moments, what draws; touched rows, scores; float32."""
    b, d, k = shape.batch_size, shape.embedding_dim, _n_negatives(shape, settings)
    touched = _n_touched(shape, settings)
    rows = 3 * touched + 5 * min(touched, shape.n_classes)  # gathered; then updated, each once
    return 4.0 * (4 * shape.n_classes * (d + 2) + rows * (d + 1) + 6 * b * k)
