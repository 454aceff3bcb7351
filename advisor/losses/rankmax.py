"""Card of the Rankmax loss, in its negative log-likelihood reading: exact, over all classes."""

from advisor.card import Claim, Consistency, LossCard, Setting, Settings, StepShape
from advisor.task import Metric

CARD = LossCard(
    name="rankmax",
    title="Rankmax loss (NLL reading)",
    family="exact",
    formula="L = log sum_j max(s_j - s_y + 1, 0): the negative logarithm of the projection's y. "
    "The other reading, its projection less e_y as a gradient, is that of no function and is not "
    "offered",
    minimiser="whole levels: scores that differ by integers, with ties; the most probable class "
    "is on top",
    smoothness="none: the gradient jumps where a score is just 1 below the target's, and it can "
    "reach the number of classes within that margin",
    gradient_bias="none for its own minimiser; its gradient is not that of softmax",
    gradient_variance="of the batch only; no negatives are drawn, and negatives more than 1 below "
    "the target get a gradient of exactly 0",
    step_cost="6 B C D flop: three matrix products",
    has_probabilities=False,
    inner_product_serving=True,
    settings=(
        Setting(
            name="learning_rate",
            choices=(3e-3, 1e-3, 3e-4, 1e-2),
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
            statement="The population risk is least at scores of whole steps 0, 1, 2, ...: "
            "levels, not a function of p.",
            status="proved",
            condition="the reading as negative log-likelihood, scores free for every row, up "
            "to 4 classes",
            source="theory notes 1.4, exhaustive",
            check="tests/theory/test_rankmax.py"
            "::test_no_scores_nearby_have_less_risk_than_the_whole_steps",
        ),
        Claim(
            topic="order",
            statement="Classes of different p can tie: for p = (.41, .30, .29) the optimum is "
            "(1, 0, 0).",
            status="proved",
            condition="exhaustive over the levels",
            source="theory notes 1.4",
            check="tests/theory/test_rankmax.py::test_classes_of_different_p_tie_in_the_optimum",
        ),
        Claim(
            topic="order",
            statement="It puts the likeliest class first and orders the others weakly; "
            "strictly in a part of the laws only.",
            status="measured",
            condition="200 random laws each of 3, 4 and 5 classes; the part falls with their "
            "number",
            source="theory notes 1.4 (T3): no proof, 400 of 400 laws each of 3 to 5 classes",
            check="tests/theory/test_rankmax.py"
            "::test_the_optimum_puts_the_likeliest_class_first_and_orders_weakly",
        ),
        Claim(
            topic="order",
            statement="Which reading and which verdict the source paper has is not known here.",
            status="assumed",
            condition="another reading, with a stopped gradient, was strict in 60 of 60 laws",
            source="theory notes 1.4",
            check=None,
            unchecked_because="only the papers' abstracts could be read",
        ),
        Claim(
            topic="smoothness",
            statement="The gradient has no Lipschitz constant: it jumps where a class comes "
            "within 1 of the target.",
            status="proved",
            condition="one example",
            source="theory notes 1.4",
            check="tests/theory/test_rankmax.py"
            "::test_the_gradient_jumps_where_a_class_enters_the_margin",
        ),
        Claim(
            topic="margin",
            statement="The loss and its gradient are exactly 0 once the target leads by 1.",
            status="proved",
            condition="s_y >= s_j + 1 for every other class",
            source="theory notes 1.4",
            check="tests/theory/test_smoothness.py"
            "::test_the_loss_stops_at_the_margin_of_the_card[rankmax]",
        ),
    ),
    sources=(
        "Kong, Krichene, Mayoraz, Rendle & Zhang 2020, Rankmax: an adaptive projection alternative "
        "to the softmax function (abstract only; formula recalled and derived)",
        "Pu, Lian & Chen, arXiv 2601.22745 (abstract only)",
    ),
)


def consistency(metric: Metric, settings: Settings) -> Consistency:
    """Whether the minimiser ranks as the metric wants."""
    del settings
    if metric.k == 1 or metric.name == "accuracy":
        return Consistency(
            status="conditional",
            reason="the most probable class is on top in every case tried, with one positive per "
            "row: numerical evidence, no proof",
            source="theory notes 1.4, exhaustive for up to 5 classes",
        )
    return Consistency(
        status="inconsistent",
        reason="its minimiser puts scores on whole levels, so that classes of different p tie: the "
        f"top class is right, but {metric} also needs the order below it, which ties leave open",
        source="theory notes 1.4, exhaustive for up to 5 classes",
    )


def step_flop(shape: StepShape, settings: Settings) -> float:
    """Three matrix products of B x C x D, and Adam on every class."""
    del settings
    b, c, d = shape.batch_size, shape.n_classes, shape.embedding_dim
    return 6.0 * b * c * d + 8.0 * b * c + 15.0 * c * (d + 1)


def step_bytes(shape: StepShape, settings: Settings) -> float:
    """Parameters, gradients and two moments of every class, and one chunk of scores; float32."""
    del settings
    b, c, d = shape.batch_size, shape.n_classes, shape.embedding_dim
    chunk_rows = min(b, 128, max(16, 2**25 // c))
    return 4.0 * (4 * c * (d + 1) + chunk_rows * c + 4 * b * d)
