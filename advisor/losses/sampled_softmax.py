"""Card of sampled softmax: softmax over the target and K drawn classes, with log q correction."""

from advisor.card import Claim, Consistency, LossCard, Setting, Settings, StepShape
from advisor.task import Metric

N_NEGATIVES = 512
POOL_SIZE = 2048
PROPOSALS = ("popularity", "uniform", "in_batch", "mixed", "hard")

CARD = LossCard(
    name="sampled_softmax",
    title="Sampled softmax with log q correction",
    family="sampled",
    formula="L = log(exp(t_y) + sum_{j in S} exp(t_j)) - t_y, t = s - log q, S = K draws from q",
    minimiser="s = log p + c for any K and any q > 0 (correction 'both'); as K grows "
    "('importance'); log(p / q) + c ('none')",
    smoothness="1/2 in l2",
    gradient_bias="shrinks as V / K at fixed scores, V = sum pi^2 / q; 0 at the optimum",
    gradient_variance="grows as V / K on top of the batch's: sharper models need more negatives",
    step_cost="6 B K D flop, whatever C is; the optimiser touches B + K rows, B (1 + K) with "
    "draws per row; K is B in-batch and the pool's size with 'hard'",
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
            only_with={"proposal": tuple(p for p in PROPOSALS if p != "in_batch")},
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
            name="proposal",
            choices=("popularity",),
            changes_cost=True,
            allowed=PROPOSALS,
            description="how negatives are drawn; 'mixed' is popularity or uniform by a coin, "
            "'hard' the best of a uniform pool, 'in_batch' the targets of the other rows",
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
            only_with={"proposal": ("popularity", "mixed")},
            description="q is proportional to the training count to this power",
        ),
        Setting(
            name="pool_size",
            choices=(POOL_SIZE,),
            changes_cost=True,
            at_most_classes=True,
            minimum=1,
            only_with={"proposal": ("hard",)},
            description="classes drawn of which 'hard' takes the highest-scoring",
        ),
    ),
    claims=(
        Claim(
            topic="minimiser",
            statement="With correction 'both' the population minimiser is s = log p + c: its "
            "probabilities are p.",
            status="proved",
            condition="any K >= 1, any q > 0, hits of the target kept, scores free for every row",
            source="theory notes 2.1, derived and checked by enumeration; Ma & Collins 2018 "
            "(ranking objective)",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[sampled_softmax]",
        ),
        Claim(
            topic="minimiser",
            statement="Without correction it is s = log(p / q) + c.",
            status="proved",
            condition="any K >= 1; the order of p only where q is uniform",
            source="theory notes 2.1, derived and checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[sampled_softmax-none]",
        ),
        Claim(
            topic="minimiser",
            statement="With correction 'importance' it comes closer to log p + c as K grows.",
            status="measured",
            condition="hits of the target left out, K = 2 and 12, three classes, a skewed q",
            source="theory notes 2.1, checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_importance_correction_comes_closer_to_log_p_with_more_draws",
        ),
        Claim(
            topic="minimiser",
            statement="Draws for each row have the same minimiser as shared ones.",
            status="proved",
            condition="correction 'both'",
            source="checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[sampled_softmax-per_row]",
        ),
        Claim(
            topic="minimiser",
            statement="With the targets of the batch's other rows as negatives it is log p + "
            "c too.",
            status="proved",
            condition="correction 'both', q the frequency of the targets, rows independent, "
            "one positive a row",
            source="theory notes 2.1, checked by enumeration of batches of 3",
            check="tests/theory/test_negatives.py"
            "::test_targets_of_the_batch_as_negatives_give_log_p_with_the_correction",
        ),
        Claim(
            topic="minimiser",
            statement="Without correction those give log(p / q) + c.",
            status="proved",
            condition="rows independent",
            source="theory notes 2.1, checked by enumeration of batches of 3",
            check="tests/theory/test_negatives.py"
            "::test_targets_of_the_batch_as_negatives_give_log_p_over_q_without_it",
        ),
        Claim(
            topic="order",
            statement="With correction 'both' it orders the classes strictly as p does.",
            status="proved",
            condition="any K >= 1, any q > 0, scores free for every row",
            source="theory notes 2.1, derived and checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_orders_the_classes_as_p[sampled_softmax]",
        ),
        Claim(
            topic="order",
            statement="Without correction it orders as p does if q is uniform.",
            status="proved",
            condition="q uniform, any K >= 1",
            source="theory notes 2.1, checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_orders_the_classes_as_p[sampled_softmax-none-uniform]",
        ),
        Claim(
            topic="order",
            statement="With correction 'importance' the order can be wrong at small K and a "
            "skewed q.",
            status="proved",
            condition="hits of the target left out; K = 1 and non-uniform q",
            source="theory notes 2.1, checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_importance_correction_can_misorder_at_small_k",
        ),
        Claim(
            topic="order",
            statement="Trained on Zipf classes with a popularity proposal, corrected scores "
            "follow log p and uncorrected ones log(p / q).",
            status="measured",
            condition="tabular scores, 30 classes, K = 20",
            source="theory notes 5, item 6",
            check="tests/theory/test_log_q.py"
            "::test_corrected_scores_follow_p_and_uncorrected_p_over_q",
        ),
        Claim(
            topic="order",
            statement="With proposal 'hard' classes of different p can tie: here all but the "
            "one of p = .7.",
            status="measured",
            condition="K = 1 of a pool of 3, four classes",
            source="theory notes 2.1 (T11), minimised over all pools",
            check="tests/theory/test_negatives.py"
            "::test_the_highest_of_a_pool_as_negative_ties_classes_of_different_p",
        ),
        Claim(
            topic="smoothness",
            statement="The gradient in the scores is Lipschitz with constant 1/2.",
            status="proved",
            condition="l2 norm, one example; classes drawn twice and hits of the target too",
            source="theory notes 2.1",
            check="tests/theory/test_smoothness.py"
            "::test_the_gradient_is_as_smooth_as_the_card_says[sampled_softmax-hits]",
        ),
        Claim(
            topic="smoothness",
            statement="The largest eigenvalue of the Hessian is 1/2; none is below 0.",
            status="proved",
            condition="one example",
            source="theory notes 2.1",
            check="tests/theory/test_smoothness.py"
            "::test_no_eigenvalue_of_the_hessian_is_above_the_constant[sampled_softmax]",
        ),
        Claim(
            topic="gradient bias",
            statement="Its bias against softmax and its variance fall as 1 / K, and are those "
            "of the delta method.",
            status="proved",
            condition="correction 'importance', K well above V; K (1 - q_y) draws in place of "
            "K where the target can be drawn",
            source="theory notes 2.1, delta method, checked by enumeration for K = 8 to 64",
            check="tests/theory/test_gradients.py"
            "::test_bias_and_variance_fall_as_one_over_k_and_follow_the_card",
        ),
        Claim(
            topic="gradient bias",
            statement="The loss lies below softmax by (V - (1 - pi_y)^2) / (2 K).",
            status="proved",
            condition="correction 'importance', no hits of the target, K well above V",
            source="theory notes 2.1, delta method, checked by enumeration",
            check="tests/theory/test_gradients.py"
            "::test_the_sampled_loss_lies_below_softmax_by_the_bias_of_the_card",
        ),
        Claim(
            topic="gradient bias",
            statement="It has no bias for any K where q is proportional to exp(s) on the "
            "other classes.",
            status="proved",
            condition="correction 'importance', no hits of the target",
            source="theory notes 2.1; Blanc & Rendle 2018 (abstract read)",
            check="tests/theory/test_gradients.py::test_the_softmax_proposal_has_no_bias[2]",
        ),
        Claim(
            topic="gradient bias",
            statement="Near flat scores the mean gradient is K / (K + 1) of softmax's.",
            status="proved",
            condition="correction 'both', nearly equal scores, q uniform",
            source="theory notes 2.1 (T14), checked by enumeration",
            check="tests/theory/test_gradients.py"
            "::test_near_flat_scores_the_gradient_is_softmax_s_shrunk_to_k_over_k_plus_1[sampled_softmax]",
        ),
        Claim(
            topic="gradient bias",
            statement="At scores of standard deviation 1 its cosine to softmax's gradient is "
            "about .8 to .9, .97 and .99 for 1, 10 and 100 draws.",
            status="measured",
            condition="correction 'both', q uniform, 200 classes, targets from p",
            source="theory notes 2.1 (T14), Monte Carlo",
            check="tests/theory/test_gradients.py"
            "::test_at_scores_of_deviation_1_more_draws_turn_towards_softmax[10-0.94-0.98]",
        ),
        Claim(
            topic="gradient bias",
            statement="Without correction a popularity proposal keeps it below .7 at 100 draws.",
            status="measured",
            condition="q proportional to p^.75, 200 classes, scores of standard deviation 1",
            source="theory notes 2.1 (T14), Monte Carlo",
            check="tests/theory/test_gradients.py"
            "::test_without_log_q_no_number_of_draws_turns_to_softmax",
        ),
        Claim(
            topic="gradient variance",
            statement="For 200 classes and 20 draws bias and variance are those of the delta "
            "method within a fifth.",
            status="measured",
            condition="correction 'importance', no hits of the target, scores of standard "
            "deviation 1",
            source="theory notes 2.1 (T9), Monte Carlo with its floor",
            check="tests/theory/test_gradients.py"
            "::test_200_classes_have_the_bias_and_the_variance_of_the_card",
        ),
        Claim(
            topic="gradient variance",
            statement="Softmax's sum is estimated within 10% by about 28 uniform draws at a "
            "standard deviation of the scores of .5, and by about 180 at 1.",
            status="measured",
            condition="independent normal scores",
            source="theory notes 2.1 (T21)",
            check="tests/theory/test_gradients.py::test_sharper_scores_need_more_negatives",
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
    source = "theory notes 2.1, derived and checked by enumeration; Ma & Collins 2018"
    correction, proposal = settings.get("correction", "both"), settings.get("proposal")
    if proposal == "hard":
        reason = "with the highest-scoring of a pool as negatives classes of near p can end in a "
        reason += "tie: its order is weakly that of p at the top of the list"
        source = "theory notes 2.1 and 4; Shi et al. 2023 (recalled)"
        return Consistency(status="conditional", reason=reason, source=source)
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
    if proposal == "in_batch":
        reason = "its minimiser, log p + c, orders by p the classes that are targets of training; "
        reason += "a class that is none is never a negative, and its score means nothing"
        return Consistency(status="conditional", reason=reason, source=source)
    return Consistency(
        status="consistent",
        reason=f"its minimiser, log p + c for any number of negatives, orders the classes by p, "
        f"the best order for {metric} with one positive per row; with several it orders by "
        "expected relevance, which is best for DCG but not exactly for NDCG, recall and MRR",
        source=source,
    )


def likelihood(settings: Settings) -> Consistency:
    """Whether the minimiser's probabilities are p, where it has probabilities at all."""
    source = "theory notes 2.1, checked by enumeration"
    if settings.get("correction", "both") == "importance":
        reason = "its minimiser's probabilities come to p only as the number of negatives grows"
        return Consistency(status="conditional", reason=reason, source=source)
    if settings.get("proposal") == "in_batch":
        reason = "its minimiser's probabilities are p among the targets of training; a class that "
        reason += "is none is never a negative, and what it takes of the sum means nothing"
        return Consistency(status="conditional", reason=reason, source=source)
    reason = "its minimiser's probabilities, by a softmax over all classes, are p"
    return Consistency(status="consistent", reason=reason, source=source)


def has_probabilities(settings: Settings) -> bool:
    """Whether the scores are log p + c: not without correction, unless q is uniform."""
    return settings.get("correction", "both") != "none" or _is_uniform(settings)


def refusal(settings: Settings) -> str | None:
    """Why these settings make no sense together, or None."""
    proposal = settings.get("proposal", "popularity")
    correction = settings.get("correction", "both")
    if proposal == "hard" and correction != "none":
        return f"proposal 'hard' has no log q for correction {correction!r}; use 'none'"
    if proposal in ("hard", "in_batch") and settings.get("negatives") == "per_row":
        return f"proposal {proposal!r} draws for the batch as a whole; use negatives 'shared'"
    k, pool = settings.get("n_negatives", N_NEGATIVES), settings.get("pool_size", POOL_SIZE)
    if proposal == "hard" and int(k) > int(pool):
        return f"n_negatives {k} cannot be taken from a pool_size of {pool}; use at most as many"
    return None


def _is_uniform(settings: Settings) -> bool:
    proposal = settings.get("proposal", "popularity")
    flat = settings.get("popularity_power", 1.0) == 0
    return proposal == "uniform" or (proposal in ("popularity", "mixed") and flat)


def _n_negatives(shape: StepShape, settings: Settings) -> int:
    """Classes that each row is scored against."""
    proposal = settings.get("proposal")
    if proposal == "in_batch":
        return shape.batch_size
    if proposal == "hard":
        return min(int(settings.get("pool_size", POOL_SIZE)), shape.n_classes)
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
