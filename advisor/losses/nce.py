"""Card of NCE: binary cross-entropy on the target and K drawn classes, against known chances."""

from advisor.card import Consistency, LossCard, Setting, Settings, StepShape
from advisor.task import Metric

RANKED_BY_P = ("ndcg", "recall", "mrr")
N_NEGATIVES = 512

CARD = LossCard(
    name="nce",
    title="Noise-contrastive estimation (NCE)",
    family="sampled",
    formula="L = -log sigmoid(t_y) - sum_{j in S} log sigmoid(-t_j), t = s - log(K q), "
    "S = K draws from q",
    minimiser="s = log p itself, for any K and any q > 0: no free shift",
    smoothness="(1 + the largest multiplicity of a draw) / 4, diagonal; expected (p_j + K q_j) / 4",
    gradient_bias="0 against softmax only where Z = sum exp(s) is 1 and K is large: the expected "
    "gradient is K q (exp(s) - p) / (exp(s) + K q)",
    gradient_variance="of the draws: falls as 1 / K where K q is well above p",
    step_cost="6 B K D flop, whatever C is; the optimiser touches B + K rows, "
    "B (1 + K) with draws per row",
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
            allowed=("popularity", "uniform", "mixed"),
            description="how negatives are drawn; class biases start at its log q",
        ),
        Setting(
            name="popularity_power",
            choices=(1.0,),
            minimum=0,
            maximum=2,
            description="q is proportional to the training count to this power",
        ),
    ),
    claims=(),
    sources=(
        "Gutmann & Hyvarinen 2010, Noise-contrastive estimation (recalled)",
        "Mnih & Teh 2012, A fast and simple algorithm for training neural probabilistic language "
        "models (recalled)",
        "Ma & Collins 2018, Noise contrastive estimation and negative sampling",
        "Pu, Lian & Chen, arXiv 2601.22745 (abstract only)",
    ),
)


def consistency(metric: Metric, settings: Settings) -> Consistency:
    """Whether the minimiser ranks as the metric wants: for any proposal, if Z can be 1."""
    if metric.name not in RANKED_BY_P:
        return Consistency(
            status="unknown",
            reason=f"theory says nothing about nce and {metric}",
            source="theory notes 4",
        )
    return Consistency(
        status="conditional",
        reason=f"its minimiser, log p for any number of negatives and any proposal, orders the "
        f"classes by p, the best order for {metric} with one positive per row, if the model can "
        "keep sum exp(s) at 1 for every row; with several positives it orders by expected "
        "relevance, which is best for DCG but not exactly for NDCG, recall and MRR",
        source="theory notes 2.2, derived and checked by enumeration; Ma & Collins 2018",
    )


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
    """Parameters and two moments of every class, the touched rows, and B x K scores; float32."""
    b, d, k = shape.batch_size, shape.embedding_dim, _n_negatives(shape, settings)
    touched = 8 * _n_touched(shape, settings) * (d + 1)
    return 4.0 * (3 * shape.n_classes * (d + 1) + touched + 4 * b * k)
