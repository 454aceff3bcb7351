"""Card of the entmax loss: exact, over all classes, between softmax and sparsemax."""

from advisor.card import Claim, Consistency, LossCard, Setting, Settings, StepShape
from advisor.task import Metric

CARD = LossCard(
    name="entmax",
    title="Entmax loss",
    family="exact",
    formula="L = max over p of { p.s - (sum p^alpha - 1) / (alpha (alpha - 1)) } - s_y",
    minimiser="s = p^(alpha - 1) / (alpha - 1) + c where p > 0; s at or below the threshold where "
    "p = 0",
    smoothness="2^(alpha - 2) in l2, .71 at alpha 1.5 (1/2 of softmax, 1 of sparsemax)",
    gradient_bias="none for its own minimiser; its gradient is not that of softmax",
    gradient_variance="of the batch only; no negatives are drawn, and negatives below the "
    "threshold get a gradient of exactly 0",
    step_cost="6 B C D flop while most classes have p > 0, as at near-flat scores; 2 B C D once "
    "fewer than one in 14 has",
    has_probabilities=True,
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
            description="L2 term of Adam, for the classes and the encoder",
        ),
        Setting(
            name="alpha",
            choices=(1.5,),
            changes_cost=True,
            minimum=1.01,
            maximum=2,
            description="2 is sparsemax, towards 1 it becomes softmax; 1.5 and 2 are fastest",
        ),
    ),
    claims=(
        Claim(
            topic="minimiser",
            statement="The population minimiser is s = p^(alpha - 1) / (alpha - 1) + c on the "
            "classes with p > 0.",
            status="proved",
            condition="alpha = 1.25, 1.5, 1.75 and 2; scores free for every row",
            source="theory notes 1.3, derived and checked numerically",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[entmax]",
        ),
        Claim(
            topic="minimiser",
            statement="The same at alpha 1.25.",
            status="proved",
            condition="scores free for every row",
            source="theory notes 1.3, derived and checked numerically",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[entmax-1.25]",
        ),
        Claim(
            topic="order",
            statement="Ranked by scores, every minimiser orders the classes strictly as p "
            "does where p > 0, and puts the classes with p = 0 below them.",
            status="proved",
            condition="scores free for every row; rank by the scores, never by the probabilities",
            source="theory notes 0 and 1.3 (regret transfer), checked numerically",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_orders_the_classes_as_p[entmax]",
        ),
        Claim(
            topic="probabilities",
            statement="At the optimum its probabilities are p, exact zeros included.",
            status="proved",
            condition="scores free for every row; a class that has none there costs infinite "
            "log-loss",
            source="derived here, checked numerically",
            check="tests/theory/test_minimisers.py"
            "::test_the_probabilities_of_the_optimum_are_p[entmax]",
        ),
        Claim(
            topic="probabilities",
            statement="Ranked by probabilities, all classes below the threshold tie at 0.",
            status="proved",
            condition="any scores whose support is not all classes",
            source="theory notes 1.3",
            check="tests/theory/test_minimisers.py"
            "::test_sparse_probabilities_tie_where_scores_do_not[entmax]",
        ),
        Claim(
            topic="regret",
            statement="The excess risk is at least half the squared l2 distance of the "
            "probabilities to p.",
            status="proved",
            condition="alpha = 1.25 and 1.5",
            source="theory notes 0; Blondel, Martins & Niculae 2020 (recalled)",
            check="tests/theory/test_regret.py"
            "::test_excess_risk_bounds_the_distance_of_the_probabilities[entmax]",
        ),
        Claim(
            topic="regret",
            statement="The regret in DCG@K is at most 2 |D| sqrt(2 (R - R*)), D the discounts "
            "of the first K ranks.",
            status="proved",
            condition="one positive per row; ranked by scores",
            source="theory notes 0, universal regret transfer",
            check="tests/theory/test_regret.py"
            "::test_dcg_regret_is_bounded_by_the_excess_risk[entmax]",
        ),
        Claim(
            topic="smoothness",
            statement="The gradient in the scores is Lipschitz with constant 2^(alpha - 2).",
            status="measured",
            condition="l2 norm, one example; .5946, .7071, .8409 and 1 at alpha 1.25, 1.5, "
            "1.75 and 2",
            source="theory notes 1.3: the bound is numerical, no proof",
            check="tests/theory/test_smoothness.py"
            "::test_the_gradient_is_as_smooth_as_the_card_says[entmax]",
        ),
        Claim(
            topic="smoothness",
            statement="The largest eigenvalue of the generalised Hessian is 2^(alpha - 2), at "
            "two classes of probability 1/2; none is below 0.",
            status="measured",
            condition="one example",
            source="theory notes 1.3, checked numerically",
            check="tests/theory/test_smoothness.py"
            "::test_no_eigenvalue_of_the_hessian_is_above_the_constant[entmax]",
        ),
        Claim(
            topic="margin",
            statement="The loss and its gradient are exactly 0 once the target leads by 1 / "
            "(alpha - 1).",
            status="proved",
            condition="2 at alpha 1.5",
            source="theory notes 1.3 (recalled)",
            check="tests/theory/test_smoothness.py"
            "::test_the_loss_stops_at_the_margin_of_the_card[entmax]",
        ),
        Claim(
            topic="equality",
            statement="At alpha 2 it is the sparsemax loss.",
            status="proved",
            condition="alpha = 2",
            source="theory notes 1.3",
            check="tests/theory/test_minimisers.py::test_entmax_of_alpha_2_is_sparsemax",
        ),
        Claim(
            topic="support",
            statement="Of 10,000 normal scores all have a probability at a standard deviation "
            "of .001, 9600 at .01, 1040 at .1 and about 20 at 1.",
            status="measured",
            condition="alpha 1.5, independent normal scores",
            source="theory notes 1.3 (T10)",
            check="tests/theory/test_support.py"
            "::test_the_support_shrinks_as_the_scores_spread[entmax]",
        ),
        Claim(
            topic="support",
            statement="Classes outside the support get a gradient of exactly 0; a target "
            "outside it keeps -1.",
            status="proved",
            condition="one example",
            source="theory notes 1.3",
            check="tests/theory/test_support.py"
            "::test_classes_outside_the_support_get_no_gradient_but_the_target_does[entmax]",
        ),
    ),
    sources=(
        "Peters, Niculae & Martins 2019, Sparse sequence-to-sequence models (recalled)",
        "Blondel, Martins & Niculae 2020, Learning with Fenchel-Young losses (recalled)",
        "Pu, Lian & Chen, arXiv 2601.22745 (abstract only)",
    ),
)


def consistency(metric: Metric, settings: Settings) -> Consistency:
    """Whether the minimiser ranks as the metric wants."""
    del settings
    return Consistency(
        status="consistent",
        reason="ranked by scores, its minimiser, p^(alpha - 1) / (alpha - 1) + c, orders the "
        f"classes by p, the best order for {metric} with one positive per row; with several it "
        "orders by expected relevance, which is best for DCG but not exactly for NDCG, recall and "
        "MRR; ranked by its probabilities the tail would tie at 0",
        source="theory notes 1.3, derived and checked numerically for alpha 1.25, 1.5 and 1.75",
    )


def likelihood(settings: Settings) -> Consistency:
    """Whether the minimiser's probabilities are p: but a class may get none at all."""
    del settings
    return Consistency(
        status="conditional",
        reason="its minimiser's probabilities are p, but on the way a class may get exactly 0, "
        "whose logarithm has no bound; it is counted as 1e-12",
        source="theory notes 1.3, checked numerically",
    )


def step_flop(shape: StepShape, settings: Settings) -> float:
    """Three matrix products, as at the start of training, and Adam on every class."""
    del settings
    b, c, d = shape.batch_size, shape.n_classes, shape.embedding_dim
    return 6.0 * b * c * d + 20.0 * b * c + 15.0 * c * (d + 1)


def step_bytes(shape: StepShape, settings: Settings) -> float:
    """Parameters, gradients and two moments of every class, and a chunk of scores; float32.

    Where the support is small, of 2^21 scores at a time; beside them its entries.
    """
    del settings
    b, c, d = shape.batch_size, shape.n_classes, shape.embedding_dim
    chunk_rows = min(b, 256, max(64, 2**22 // c), max(16, 2**25 // c))
    return 4.0 * (4 * c * (d + 1) + 1.5 * chunk_rows * c + 4 * b * d)
