"""Card of the sparsemax loss: exact, over all classes, with sparse probabilities."""

from advisor.card import Claim, Consistency, LossCard, Setting, Settings, StepShape
from advisor.task import Metric

CARD = LossCard(
    name="sparsemax",
    title="Sparsemax loss",
    family="exact",
    formula="L = 1/2 sum_{j: s_j > tau} (s_j^2 - tau^2) + 1/2 - s_y",
    minimiser="s = p + c where p > 0; s at or below the threshold where p = 0",
    smoothness="1 in l2: twice softmax, so the learning rate is tuned apart",
    gradient_bias="none for its own minimiser; its gradient is not that of softmax",
    gradient_variance="of the batch only; no negatives are drawn, and negatives below the "
    "threshold get a gradient of exactly 0",
    step_cost="2 B C D flop while fewer than one class in 14 has p > 0, else 6 B C D",
    has_probabilities=True,
    inner_product_serving=True,
    settings=(
        Setting(
            name="learning_rate",
            choices=(3e-4, 1e-3, 1e-4, 3e-3),
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
    ),
    claims=(
        Claim(
            topic="minimiser",
            statement="The population minimiser is s = p + c on the classes with p > 0.",
            status="proved",
            condition="scores free for every row",
            source="theory notes 1.2, derived and checked numerically",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[sparsemax]",
        ),
        Claim(
            topic="order",
            statement="Ranked by scores, every minimiser orders the classes strictly as p "
            "does where p > 0, and puts the classes with p = 0 below them.",
            status="proved",
            condition="scores free for every row; rank by the scores, never by the probabilities",
            source="theory notes 0 and 1.2 (regret transfer), checked numerically",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_orders_the_classes_as_p[sparsemax]",
        ),
        Claim(
            topic="order",
            statement="Whether the source paper counts sparsemax as consistent is not known here.",
            status="assumed",
            condition="a criterion on the probability map would reject it, one on scores would not",
            source="theory notes 1.2",
            check=None,
            unchecked_because="only the paper's abstract could be read",
        ),
        Claim(
            topic="probabilities",
            statement="At the optimum its probabilities are p, exact zeros included.",
            status="proved",
            condition="scores free for every row; a class that has none there costs infinite "
            "log-loss",
            source="derived here, checked numerically",
            check="tests/theory/test_minimisers.py"
            "::test_the_probabilities_of_the_optimum_are_p[sparsemax]",
        ),
        Claim(
            topic="probabilities",
            statement="Ranked by probabilities, all classes below the threshold tie at 0.",
            status="proved",
            condition="any scores whose support is not all classes",
            source="theory notes 1.2",
            check="tests/theory/test_minimisers.py"
            "::test_sparse_probabilities_tie_where_scores_do_not[sparsemax]",
        ),
        Claim(
            topic="regret",
            statement="The excess risk is at least half the squared l2 distance of the "
            "probabilities to p.",
            status="proved",
            condition="scores free for every row",
            source="theory notes 0; Blondel, Martins & Niculae 2020 (recalled)",
            check="tests/theory/test_regret.py"
            "::test_excess_risk_bounds_the_distance_of_the_probabilities[sparsemax]",
        ),
        Claim(
            topic="regret",
            statement="The regret in DCG@K is at most 2 |D| sqrt(2 (R - R*)), D the discounts "
            "of the first K ranks.",
            status="proved",
            condition="one positive per row; ranked by scores",
            source="theory notes 0, universal regret transfer",
            check="tests/theory/test_regret.py"
            "::test_dcg_regret_is_bounded_by_the_excess_risk[sparsemax]",
        ),
        Claim(
            topic="smoothness",
            statement="The gradient in the scores is Lipschitz with constant 1.",
            status="proved",
            condition="l2 norm, one example",
            source="theory notes 1.2, checked numerically",
            check="tests/theory/test_smoothness.py"
            "::test_the_gradient_is_as_smooth_as_the_card_says[sparsemax]",
        ),
        Claim(
            topic="smoothness",
            statement="The largest eigenvalue of the generalised Hessian is 1; none is below 0.",
            status="proved",
            condition="one example",
            source="theory notes 1.2, checked numerically",
            check="tests/theory/test_smoothness.py"
            "::test_no_eigenvalue_of_the_hessian_is_above_the_constant[sparsemax]",
        ),
        Claim(
            topic="margin",
            statement="The loss and its gradient are exactly 0 once the target leads by 1.",
            status="proved",
            condition="s_y >= s_j + 1 for every other class",
            source="theory notes 1.2; Martins & Astudillo 2016 (recalled)",
            check="tests/theory/test_smoothness.py"
            "::test_the_loss_stops_at_the_margin_of_the_card[sparsemax]",
        ),
        Claim(
            topic="support",
            statement="Of 10,000 normal scores about 1840 have a probability at a standard "
            "deviation of .001, 263 at .01, 34 at .1 and 4 or 5 at 1.",
            status="measured",
            condition="independent normal scores, means of 80 rows",
            source="theory notes 1.3 (T10: one row)",
            check="tests/theory/test_support.py"
            "::test_the_support_shrinks_as_the_scores_spread[sparsemax]",
        ),
        Claim(
            topic="support",
            statement="Classes outside the support get a gradient of exactly 0; a target "
            "outside it keeps -1.",
            status="proved",
            condition="one example",
            source="theory notes 1.2",
            check="tests/theory/test_support.py"
            "::test_classes_outside_the_support_get_no_gradient_but_the_target_does[sparsemax]",
        ),
        Claim(
            topic="support",
            statement="At the start most classes get no gradient in a step of 64 rows.",
            status="measured",
            condition="scores of standard deviation .08, 10,000 classes",
            source="theory notes 1.3",
            check="tests/theory/test_support.py"
            "::test_at_the_start_softmax_moves_every_class_and_sparse_maps_few",
        ),
    ),
    sources=(
        "Martins & Astudillo 2016, From softmax to sparsemax",
        "Blondel, Martins & Niculae 2020, Learning with Fenchel-Young losses (recalled)",
        "Pu, Lian & Chen, arXiv 2601.22745 (abstract only)",
    ),
)


def consistency(metric: Metric, settings: Settings) -> Consistency:
    """Whether the minimiser ranks as the metric wants."""
    del settings
    return Consistency(
        status="consistent",
        reason=f"ranked by scores, its minimiser, p + c, orders the classes by p, the best order "
        f"for {metric} with one positive per row; with several it orders by expected relevance, "
        "which is best for DCG but not exactly for NDCG, recall and MRR; ranked by its "
        "probabilities the tail would tie at 0",
        source="theory notes 1.2, derived and checked numerically",
    )


def likelihood(settings: Settings) -> Consistency:
    """Whether the minimiser's probabilities are p: but a class may get none at all."""
    del settings
    return Consistency(
        status="conditional",
        reason="its minimiser's probabilities are p, but on the way a class may get exactly 0, "
        "whose logarithm has no bound; it is counted as 1e-12",
        source="theory notes 1.2, checked numerically",
    )


def step_flop(shape: StepShape, settings: Settings) -> float:
    """One matrix product, a few passes over the scores, and Adam on every class."""
    del settings
    b, c, d = shape.batch_size, shape.n_classes, shape.embedding_dim
    return 2.0 * b * c * d + 10.0 * b * c + 15.0 * c * (d + 1)


def step_bytes(shape: StepShape, settings: Settings) -> float:
    """Parameters, gradients and two moments of every class, and a chunk of scores; float32.

    Where the support is small, of 2^21 scores at a time; beside them its entries.
    """
    del settings
    b, c, d = shape.batch_size, shape.n_classes, shape.embedding_dim
    chunk_rows = min(b, 256, max(64, 2**22 // c), max(16, 2**25 // c))
    return 4.0 * (4 * c * (d + 1) + 1.5 * chunk_rows * c + 4 * b * d)
