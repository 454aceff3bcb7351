"""Card of the focal loss: what is known of it before anything is measured. No torch here."""

from advisor.card import Claim, Consistency, LossCard, Setting, Settings, StepShape
from advisor.task import Metric

CARD = LossCard(
    name="focal_softmax",
    title="Focal softmax cross-entropy",
    family="exact",
    formula="L = -(1 - p_y)^gamma log p_y, p = softmax(s)",
    minimiser="no closed form; it orders the classes as p does",
    smoothness="not derived here",
    gradient_bias="against softmax it weighs hard examples more",
    gradient_variance="of the batch only; no negatives are drawn",
    step_cost="6 B C D flop: three matrix products",
    has_probabilities=False,
    inner_product_serving=True,
    settings=(
        Setting(
            name="learning_rate",
            choices=(3e-3, 1e-2),
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
            name="gamma",
            choices=(2.0, 1.0),
            minimum=1,
            maximum=5,
            description="how little an example counts that is almost right",
        ),
    ),
    claims=(
        Claim(
            topic="order",
            statement="The population minimiser orders the classes as p does.",
            status="reported",
            condition="scores free for every row",
            source="Charoenphakdee et al., CVPR 2021",
            check="test_focal_softmax.py::test_the_optimum_orders_the_classes_as_p",
        ),
    ),
    sources=("Lin et al., ICCV 2017", "Charoenphakdee et al., CVPR 2021"),
)


def consistency(metric: Metric, settings: Settings) -> Consistency:
    """Whether the minimiser ranks as the metric wants."""
    del settings
    return Consistency(
        status="consistent",
        reason=f"its minimiser orders the classes by p, the best order for {metric}",
        source="Charoenphakdee et al., CVPR 2021",
    )


def step_flop(shape: StepShape, settings: Settings) -> float:
    """Three matrix products, and Adam on every class."""
    del settings
    b, c, d = shape.batch_size, shape.n_classes, shape.embedding_dim
    return 6.0 * b * c * d + 25.0 * c * (d + 1)


def step_bytes(shape: StepShape, settings: Settings) -> float:
    """Parameters, gradients and two moments of every class, and the scores, several times."""
    del settings
    b, c, d = shape.batch_size, shape.n_classes, shape.embedding_dim
    return 4.0 * (4 * c * (d + 1) + 4 * b * c)
