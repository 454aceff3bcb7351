"""Card of sampled softmax: softmax over the target and K drawn classes, with log q correction."""

from advisor.card import Claim, Consistency, LossCard, Setting, Settings, StepShape
from advisor.task import Metric

RANKED_BY_P = ("ndcg", "recall", "mrr")
N_NEGATIVES = 512

CARD = LossCard(
    name="sampled_softmax",
    title="Sampled softmax with log q correction",
    family="sampled",
    formula="L = log(exp(t_y) + sum_{j in S} exp(t_j)) - t_y, t = s - log q, S = K draws from q",
    minimiser="s = log p + c for any K and any q > 0 (correction 'both')",
    smoothness="1/2 in l2",
    gradient_bias="shrinks as V / K at fixed scores, V = sum pi^2 / q; 0 at the optimum",
    gradient_variance="grows as V / K on top of the batch's: sharper models need more negatives",
    step_cost="6 B K D flop, whatever C is; the optimiser touches B + K rows",
    has_probabilities=True,
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
            choices=(N_NEGATIVES,),
            changes_cost=True,
            at_most_classes=True,
            minimum=1,
            description="classes drawn per step, shared by the batch",
        ),
        Setting(
            name="proposal",
            choices=("popularity",),
            changes_cost=True,
            allowed=("popularity", "uniform"),
            description="how negatives are drawn",
        ),
        Setting(
            name="correction",
            choices=("both",),
            allowed=("both", "importance", "none"),
            description="where log q is subtracted",
        ),
        Setting(
            name="popularity_power",
            choices=(1.0,),
            minimum=0,
            maximum=2,
            description="q is proportional to the training count to this power",
        ),
    ),
    claims=(
        Claim(
            statement="With correction 'both' the population minimiser is s = log p + c.",
            status="proved",
            condition="any K >= 1, any q > 0, hits of the target kept, scores free for every row",
            source="theory notes 2.1, derived and checked by enumeration; Ma & Collins 2018 "
            "(ranking objective)",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[sampled_softmax]",
        ),
        Claim(
            statement="With correction 'both' it orders the classes strictly as p does.",
            status="proved",
            condition="any K >= 1, any q > 0, scores free for every row",
            source="theory notes 2.1, derived and checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_orders_the_classes_as_p[sampled_softmax]",
        ),
        Claim(
            statement="Without correction the minimiser is s = log(p / q) + c.",
            status="proved",
            condition="any K >= 1; harmless only where q is uniform",
            source="theory notes 2.1, derived and checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[sampled_softmax-none]",
        ),
        Claim(
            statement="Trained on Zipf classes with a popularity proposal, corrected scores follow "
            "log p and uncorrected ones log(p / q).",
            status="measured",
            condition="tabular scores, 30 classes, K = 20",
            source="theory notes 5, item 6",
            check="tests/theory/test_log_q.py"
            "::test_corrected_scores_follow_p_and_uncorrected_p_over_q",
        ),
        Claim(
            statement="With correction 'importance' the minimiser is log p only as K grows; at "
            "small K and a skewed q the order can be wrong.",
            status="proved",
            condition="hits of the target left out; K in {1, 2} and non-uniform q for the "
            "counterexamples",
            source="theory notes 2.1, checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_importance_correction_can_misorder_at_small_k",
        ),
        Claim(
            statement="With correction 'importance' the minimiser comes closer to log p + c as K "
            "grows.",
            status="measured",
            condition="hits of the target left out, K = 2 and 12, three classes, a skewed q",
            source="theory notes 2.1, checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_importance_correction_comes_closer_to_log_p_with_more_draws",
        ),
        Claim(
            statement="At fixed scores the bias against the softmax gradient falls as 1 / K.",
            status="measured",
            condition="correction 'importance', hits of the target left out, K well above V",
            source="theory notes 2.1, delta method",
            check="tests/theory/test_log_q.py::test_the_gradient_bias_falls_as_one_over_k",
        ),
        Claim(
            statement="The gradient in the scores is Lipschitz with constant 1/2.",
            status="proved",
            condition="l2 norm, one example, distinct draws",
            source="theory notes 2.1",
            check="tests/theory/test_smoothness.py"
            "::test_the_gradient_is_as_smooth_as_the_card_says[sampled_softmax]",
        ),
    ),
    sources=(
        "Bengio & Senecal 2008, Adaptive importance sampling (recalled)",
        "Ma & Collins 2018, Noise contrastive estimation and negative sampling",
        "Pu, Lian & Chen, arXiv 2601.22745 (abstract only)",
    ),
)


def consistency(metric: Metric, settings: Settings) -> Consistency:
    """Whether the minimiser ranks as the metric wants; decided by the correction and q."""
    if metric.name not in RANKED_BY_P:
        return Consistency(
            status="unknown",
            reason=f"theory says nothing about sampled_softmax and {metric}",
            source="theory notes 4",
        )
    source = "theory notes 2.1, derived and checked by enumeration; Ma & Collins 2018"
    correction = settings.get("correction", "both")
    if correction == "importance":
        return Consistency(
            status="conditional",
            reason="its minimiser orders the classes by p only as the number of negatives grows; "
            "with few of them and a skewed proposal the order can be wrong",
            source=source,
        )
    if correction == "none" and not _is_uniform(settings):
        return Consistency(
            status="inconsistent",
            reason="without correction its minimiser is log(p / q): popular classes are ranked "
            "too low, however long it trains",
            source=source,
        )
    return Consistency(
        status="consistent",
        reason=f"its minimiser, log p + c for any number of negatives, orders the classes by p, "
        f"the best order for {metric} with one positive per row; with several it orders by "
        "expected relevance, which is best for DCG but not exactly for NDCG, recall and MRR",
        source=source,
    )


def _is_uniform(settings: Settings) -> bool:
    uniform = settings.get("proposal", "popularity") == "uniform"
    return uniform or settings.get("popularity_power", 1.0) == 0


def _n_negatives(shape: StepShape, settings: Settings) -> int:
    return min(int(settings.get("n_negatives", N_NEGATIVES)), shape.n_classes)


def step_flop(shape: StepShape, settings: Settings) -> float:
    """Three matrix products of B x K x D, and Adam on the touched rows."""
    b, d, k = shape.batch_size, shape.embedding_dim, _n_negatives(shape, settings)
    return 6.0 * b * k * d + 15.0 * b * k + 40.0 * (b + k) * (d + 1)


def step_bytes(shape: StepShape, settings: Settings) -> float:
    """Parameters and two moments of every class, the touched rows, and B x K scores; float32."""
    b, d, k = shape.batch_size, shape.embedding_dim, _n_negatives(shape, settings)
    return 4.0 * (3 * shape.n_classes * (d + 1) + 8 * (b + k) * (d + 1) + 4 * b * k)
