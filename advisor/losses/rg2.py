"""Card of RG2, the second-order Taylor form of softmax: exact, without any B x C product."""

from advisor.card import Claim, Consistency, LossCard, Setting, Settings, StepShape
from advisor.task import Metric

CARD = LossCard(
    name="rg2",
    title="RG2, squared form of softmax by Gram matrices",
    family="exact",
    formula="L = -s_y + mean_j s_j + 1/2 mean_j s_j^2",
    minimiser="s = C p - 1",
    smoothness="1/C, and strongly convex with the same 1/C: condition number 1",
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
    claims=(
        Claim(
            topic="minimiser",
            statement="The population minimiser is s = C p - 1.",
            status="proved",
            condition="scores free for every row",
            source="theory notes 1.5, derived and checked numerically",
            check="tests/theory/test_minimisers.py::test_the_optimum_has_the_form_of_the_card[rg2]",
        ),
        Claim(
            topic="order",
            statement="Its minimiser orders the classes strictly as p does.",
            status="proved",
            condition="scores free for every row",
            source="theory notes 0 and 1.5, derived and checked numerically",
            check="tests/theory/test_minimisers.py::test_the_optimum_orders_the_classes_as_p[rg2]",
        ),
        Claim(
            topic="regret",
            statement="The excess risk is C/2 times the squared l2 distance of (1 + s) / C to "
            "p, exactly.",
            status="proved",
            condition="scores free for every row",
            source="theory notes 0",
            check="tests/theory/test_regret.py::test_excess_risk_is_the_squared_distance[rg2]",
        ),
        Claim(
            topic="regret",
            statement="The regret in DCG@K is at most 2 |D| sqrt(2 (R - R*) / C), D the "
            "discounts of the first K ranks.",
            status="proved",
            condition="one positive per row",
            source="theory notes 0, universal regret transfer",
            check="tests/theory/test_regret.py::test_dcg_regret_is_bounded_by_the_excess_risk[rg2]",
        ),
        Claim(
            topic="smoothness",
            statement="The gradient in the scores is Lipschitz with constant 1/C.",
            status="proved",
            condition="l2 norm, one example",
            source="theory notes 1.5",
            check="tests/theory/test_smoothness.py"
            "::test_the_gradient_is_as_smooth_as_the_card_says[rg2]",
        ),
        Claim(
            topic="smoothness",
            statement="Every eigenvalue of the Hessian is 1/C: the condition number is 1.",
            status="proved",
            condition="one example",
            source="theory notes 1.5",
            check="tests/theory/test_smoothness.py::test_the_hessian_of_rg2_is_the_identity_over_c",
        ),
        Claim(
            topic="equality",
            statement="The Gram form has the value and the gradients of the form over all scores.",
            status="proved",
            condition="biases included",
            source="theory notes 1.5, derived and checked numerically",
            check="tests/losses/test_values.py::test_value_and_gradients_equal_the_reference[rg2]",
        ),
        Claim(
            topic="gradient bias",
            statement="For a bulk of normal scores it is near softmax: .498 against .500 at a "
            "standard deviation of 1.",
            status="measured",
            condition="10,000 independent normal scores",
            source="theory notes 1.5 (T15)",
            check="tests/theory/test_taylor.py"
            "::test_the_quadratic_is_near_softmax_for_a_bulk_of_normal_scores[rg2]",
        ),
        Claim(
            topic="gradient bias",
            statement="For one class at log C among zeros it is near 0 where log-sum-exp less "
            "log C is log 2.",
            status="proved",
            condition="C = 10000",
            source="theory notes 1.5 (T15)",
            check="tests/theory/test_taylor.py::test_the_quadratic_misses_a_single_hot_class[rg2]",
        ),
        Claim(
            topic="gradient bias",
            statement="It bounds softmax neither from above nor from below.",
            status="proved",
            condition="one hot class, and equal scores of 1",
            source="theory notes 1.5",
            check="tests/theory/test_taylor.py::test_rg2_is_no_bound_of_softmax",
        ),
    ),
    sources=(
        "Pu et al., ICML 2024, RG2 (abstract and code read)",
        "arXiv 2506.09454, the RG-times follow-up (abstract read)",
        "Pu, Lian & Chen, arXiv 2601.22745 (abstract only)",
    ),
)


def consistency(metric: Metric, settings: Settings) -> Consistency:
    """Whether the minimiser ranks as the metric wants."""
    del settings
    return Consistency(
        status="consistent",
        reason=f"its minimiser, C p - 1, orders the classes by p, the best order for {metric} "
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
    return 4.0 * (4 * c * (d + 1) + 2 * c + 6 * b * d + 3 * d * d)
