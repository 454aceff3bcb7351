"""Card of softmax cross-entropy: exact, over all classes."""

from advisor.card import Claim, Consistency, LossCard, Setting, Settings, StepShape
from advisor.task import Metric

KEPT_SCORES = 2**23  # up to here the layer keeps all scores for its backward pass

CARD = LossCard(
    name="softmax",
    title="Softmax cross-entropy",
    family="exact",
    formula="L = log sum_j exp(s_j) - s_y",
    minimiser="s = log p + c",
    smoothness="1/2 in l2, reached at two classes of probability 1/2; curvature falls to 0 as "
    "the probabilities approach a vertex",
    gradient_bias="none: it is the reference the sampled losses are compared with",
    gradient_variance="of the batch only; no negatives are drawn",
    step_cost="6 B C D flop: three matrix products; 8 B C D where the scores are computed again",
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
            description="L2 term of Adam, for the classes and the encoder",
        ),
        Setting(
            name="temperature",
            choices=(1.0,),
            minimum=1e-3,
            maximum=1e3,
            description="divides the inner products, not the biases; usual with cosine: .05 to .2",
        ),
        Setting(
            name="cosine",
            choices=(False,),
            allowed=(False, True),
            changes_cost=True,
            description="whether hidden and class vectors are divided by their norms",
        ),
        Setting(
            name="label_smoothing",
            choices=(0.0,),
            minimum=0,
            maximum=0.9,
            description="the part of each target that is spread over all classes",
        ),
    ),
    claims=(
        Claim(
            topic="minimiser",
            statement="The population minimiser is s = log p + c.",
            status="proved",
            condition="scores free for every row",
            source="theory notes 1.1, derived and checked numerically",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[softmax]",
        ),
        Claim(
            topic="minimiser",
            statement="With label smoothing e it is log((1 - e) p + e / C) + c: its "
            "probabilities are those, not p.",
            status="proved",
            condition="0 < e < 1, scores free for every row",
            source="derived here, checked numerically; Szegedy et al. 2016 (recalled)",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[softmax-smoothing]",
        ),
        Claim(
            topic="minimiser",
            statement="A temperature does not change it: the scores include it.",
            status="proved",
            condition="scores free for every row",
            source="derived here, checked numerically",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[softmax-temperature]",
        ),
        Claim(
            topic="minimiser",
            statement="Cosine scores reach it while log(p_max / p_min) is at most 2 / "
            "temperature; beyond, the classes at the ends tie.",
            status="proved",
            condition="cosine true, no bias, cosines free for every row",
            source="derived here, checked numerically",
            check="tests/theory/test_minimisers.py"
            "::test_cosines_reach_log_p_within_their_range_and_tie_at_its_ends",
        ),
        Claim(
            topic="order",
            statement="Every minimiser orders the classes strictly as p does, near ties included.",
            status="proved",
            condition="scores free for every row; where p is 0 the score falls without end",
            source="theory notes 1.1; top-k: Yang & Koyejo 2020, DCG: Ravikumar et al. 2011 "
            "(both recalled)",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_orders_the_classes_as_p[softmax]",
        ),
        Claim(
            topic="order",
            statement="With several positives a row, counting each once orders by E[r_i], "
            "counting each 1/|r| by E[r_i / |r|]: two different orders.",
            status="proved",
            condition="several positives per row",
            source="theory notes 1.1, 62 of 200 random laws disagree",
            check="tests/theory/test_minimisers.py"
            "::test_the_weight_of_a_positive_changes_what_is_ranked",
        ),
        Claim(
            topic="order",
            statement="A matrix-factorisation model with few dimensions keeps this order.",
            status="assumed",
            condition="D well below C: not every score vector can be represented",
            source="theory notes 0",
            check=None,
            unchecked_because="depends on the data; the calibration measures it instead",
        ),
        Claim(
            topic="probabilities",
            statement="At the optimum its probabilities are p.",
            status="proved",
            condition="scores free for every row, no label smoothing",
            source="derived here, checked numerically",
            check="tests/theory/test_minimisers.py"
            "::test_the_probabilities_of_the_optimum_are_p[softmax]",
        ),
        Claim(
            topic="regret",
            statement="The excess risk is at least half the squared l1 distance of the "
            "probabilities to p.",
            status="proved",
            condition="scores free for every row",
            source="theory notes 1.1 (Pinsker)",
            check="tests/theory/test_regret.py"
            "::test_excess_risk_bounds_the_distance_of_the_probabilities[softmax]",
        ),
        Claim(
            topic="regret",
            statement="The regret in DCG@K is at most 2 |D| sqrt(2 (R - R*)), D the discounts "
            "of the first K ranks.",
            status="proved",
            condition="one positive per row",
            source="theory notes 0, universal regret transfer",
            check="tests/theory/test_regret.py"
            "::test_dcg_regret_is_bounded_by_the_excess_risk[softmax]",
        ),
        Claim(
            topic="smoothness",
            statement="The gradient in the scores is Lipschitz with constant 1/2.",
            status="proved",
            condition="l2 norm, one example",
            source="theory notes 1.1, checked numerically",
            check="tests/theory/test_smoothness.py"
            "::test_the_gradient_is_as_smooth_as_the_card_says[softmax]",
        ),
        Claim(
            topic="smoothness",
            statement="The largest eigenvalue of the Hessian is 1/2, at two classes of "
            "probability 1/2; none is below 0.",
            status="proved",
            condition="one example",
            source="theory notes 1.1, checked numerically",
            check="tests/theory/test_smoothness.py"
            "::test_no_eigenvalue_of_the_hessian_is_above_the_constant[softmax]",
        ),
        Claim(
            topic="smoothness",
            statement="In the inner products of row and class the constant is 1 / (2 "
            "temperature^2).",
            status="proved",
            condition="l2 norm, one example",
            source="derived here, checked numerically",
            check="tests/theory/test_smoothness.py"
            "::test_the_gradient_is_as_smooth_as_the_card_says[softmax-temperature]",
        ),
        Claim(
            topic="margin",
            statement="No lead of the target ends the gradient: it is 1 - pi_y, and falls to "
            "0 with the curvature.",
            status="proved",
            condition="any finite scores",
            source="theory notes 1.1",
            check="tests/theory/test_smoothness.py"
            "::test_softmax_has_a_gradient_at_any_lead_and_a_curvature_that_falls_to_0",
        ),
        Claim(
            topic="support",
            statement="At the start every class gets a gradient in every step.",
            status="proved",
            condition="scores of standard deviation .08, 10,000 classes",
            source="theory notes 1.3",
            check="tests/theory/test_support.py"
            "::test_at_the_start_softmax_moves_every_class_and_sparse_maps_few",
        ),
    ),
    sources=(
        "Bridle 1990, Probabilistic interpretation of feedforward classification network outputs",
        "Yang & Koyejo 2020, On the consistency of top-k surrogate losses (recalled)",
        "Pu, Lian & Chen, arXiv 2601.22745 (abstract only)",
    ),
)


def consistency(metric: Metric, settings: Settings) -> Consistency:
    """Whether the minimiser ranks as the metric wants."""
    if settings.get("cosine"):
        return Consistency(
            status="conditional",
            reason="cosine scores less their biases lie within 1 / temperature of 0: classes whose "
            "log p differ by more than 2 / temperature can tie at the bound",
            source="derived from theory notes 1.1",
        )
    return Consistency(
        status="consistent",
        reason=f"its minimiser, log p + c, orders the classes by p, the best order for {metric} "
        "with one positive per row; with several it orders by expected relevance, which is "
        "best for DCG but not exactly for NDCG, recall and MRR",
        source="theory notes 1.1, derived and checked numerically; Yang & Koyejo 2020 (recalled)",
    )


def likelihood(settings: Settings) -> Consistency:
    """Whether the minimiser's probabilities are p."""
    smoothing = float(settings.get("label_smoothing", 0.0))
    if smoothing > 0:
        return Consistency(
            status="inconsistent",
            reason=f"label smoothing moves the minimiser's probabilities from p to "
            f"{1 - smoothing:g} p + {smoothing:g} / C",
            source="derived from theory notes 1.1, checked numerically",
        )
    if settings.get("cosine"):
        return Consistency(
            status="conditional",
            reason="its probabilities reach p only where log p differs by at most 2 / temperature",
            source="derived from theory notes 1.1, checked numerically",
        )
    return Consistency(
        status="consistent",
        reason="its minimiser's probabilities are p",
        source="theory notes 1.1, checked numerically",
    )


def step_flop(shape: StepShape, settings: Settings) -> float:
    """Matrix products of B x C x D, the exponentials, and Adam on every class."""
    b, c, d = shape.batch_size, shape.n_classes, shape.embedding_dim
    kept = b * c <= KEPT_SCORES
    normalised = 10.0 * c * d if settings.get("cosine") else 0.0
    return (6.0 if kept else 8.0) * b * c * d + 10.0 * b * c + 15.0 * c * (d + 1) + normalised


def step_bytes(shape: StepShape, settings: Settings) -> float:
    """Parameters, gradients and two moments of every class, and the scores held; float32."""
    b, c, d = shape.batch_size, shape.n_classes, shape.embedding_dim
    held = b * c if b * c <= KEPT_SCORES else 2**20  # a block of 2^18 for each of 4 threads
    normalised = 3 * c * d if settings.get("cosine") else 0
    return 4.0 * (4 * c * (d + 1) + normalised + held + 6 * b * d)
