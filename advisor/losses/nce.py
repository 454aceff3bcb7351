"""Card of NCE: binary cross-entropy on the target and K drawn classes, against known chances."""

from advisor.card import Claim, Consistency, LossCard, Setting, Settings, StepShape
from advisor.task import Metric

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
            only_with={"proposal": ("popularity", "mixed")},
            description="q is proportional to the training count to this power",
        ),
    ),
    claims=(
        Claim(
            topic="minimiser",
            statement="The population minimiser is s = log p itself: no free shift.",
            status="proved",
            condition="any K >= 1, any q > 0, hits of the target kept, scores free for every row",
            source="theory notes 2.2, derived and checked by enumeration",
            check="tests/theory/test_minimisers.py::test_the_optimum_has_the_form_of_the_card[nce]",
        ),
        Claim(
            topic="minimiser",
            statement="Draws for each row have the same minimiser as shared ones.",
            status="proved",
            condition="as above",
            source="theory notes 2.2, checked by enumeration",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[nce-per_row]",
        ),
        Claim(
            topic="order",
            statement="Its minimiser orders the classes strictly as p does.",
            status="proved",
            condition="scores free for every row: Z = sum exp(s) must be able to be 1",
            source="theory notes 2.2, derived and checked by enumeration",
            check="tests/theory/test_minimisers.py::test_the_optimum_orders_the_classes_as_p[nce]",
        ),
        Claim(
            topic="order",
            statement="Where Z cannot be 1 for every row the order can be wrong.",
            status="reported",
            condition="a model that cannot represent log p(y | x) with its own normaliser",
            source="theory notes 2.2; Ma & Collins 2018",
            check=None,
            unchecked_because="a statement about models, not about free scores",
        ),
        Claim(
            topic="probabilities",
            statement="At the optimum its probabilities are p.",
            status="proved",
            condition="scores free for every row; divided by Z, so also where it is not 1",
            source="derived here, checked numerically",
            check="tests/theory/test_minimisers.py"
            "::test_the_probabilities_of_the_optimum_are_p[nce]",
        ),
        Claim(
            topic="smoothness",
            statement="The gradient in the scores is Lipschitz with constant (1 + the largest "
            "multiplicity of a draw) / 4: 1/2 for distinct draws.",
            status="proved",
            condition="l2 norm, one example",
            source="theory notes 2.2",
            check="tests/theory/test_smoothness.py"
            "::test_the_gradient_is_as_smooth_as_the_card_says[nce]",
        ),
        Claim(
            topic="smoothness",
            statement="A class drawn twice raises the constant to 3/4, where it is also the "
            "target.",
            status="proved",
            condition="l2 norm, one example",
            source="theory notes 2.2",
            check="tests/theory/test_smoothness.py"
            "::test_the_gradient_is_as_smooth_as_the_card_says[nce-twice]",
        ),
        Claim(
            topic="smoothness",
            statement="The Hessian is diagonal; its largest eigenvalue is the constant, none "
            "is below 0.",
            status="proved",
            condition="one example",
            source="theory notes 2.2",
            check="tests/theory/test_smoothness.py"
            "::test_no_eigenvalue_of_the_hessian_is_above_the_constant[nce]",
        ),
        Claim(
            topic="gradient bias",
            statement="The mean gradient is K q (exp(s) - p) / (exp(s) + K q).",
            status="proved",
            condition="mean over targets y ~ p and over the draws",
            source="theory notes 2.2, derived and checked by enumeration",
            check="tests/theory/test_nce.py::test_the_mean_gradient_is_that_of_the_card[3]",
        ),
        Claim(
            topic="gradient bias",
            statement="It tends to softmax's as K grows where Z = 1, and does not where Z = e.",
            status="proved",
            condition="fixed scores, K = 4 and 16",
            source="theory notes 2.2, checked by enumeration",
            check="tests/theory/test_nce.py"
            "::test_it_nears_softmax_s_gradient_only_where_the_scores_are_normalised",
        ),
        Claim(
            topic="gradient bias",
            statement="At its start the mean gradient is K / (K + 1) of softmax's.",
            status="proved",
            condition="scores near log q, q uniform",
            source="derived here, checked by enumeration",
            check="tests/theory/test_gradients.py"
            "::test_near_flat_scores_the_gradient_is_softmax_s_shrunk_to_k_over_k_plus_1[nce]",
        ),
        Claim(
            topic="gradient variance",
            statement="At its start the total variance over the draws is K (1 - 1/C) / (K + 1)^2.",
            status="proved",
            condition="scores log q, q uniform",
            source="derived here, checked by enumeration",
            check="tests/theory/test_gradients.py"
            "::test_near_flat_scores_the_variance_falls_with_k[nce]",
        ),
        Claim(
            topic="normalisation",
            statement="Biases of log q start it with log Z near 0, biases of 0 with log C.",
            status="proved",
            condition="small class weights",
            source="theory notes 2.2",
            check="tests/theory/test_nce.py"
            "::test_biases_of_log_q_start_with_log_z_near_0_and_biases_of_0_at_log_c",
        ),
        Claim(
            topic="normalisation",
            statement="Training keeps log Z near 0 on held-out rows; from biases of 0 it is "
            "still above .5 after as many steps.",
            status="measured",
            condition="50 Zipf classes, 8 features, K = 20, 600 steps of 64 rows",
            source="theory notes 5, item 7",
            check="tests/theory/test_nce.py"
            "::test_training_keeps_log_z_near_0_and_from_biases_of_0_it_falls_slowly",
        ),
    ),
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
    return Consistency(
        status="conditional",
        reason=f"its minimiser, log p for any number of negatives and any proposal, orders the "
        f"classes by p, the best order for {metric} with one positive per row, if the model can "
        "keep sum exp(s) at 1 for every row; with several positives it orders by expected "
        "relevance, which is best for DCG but not exactly for NDCG, recall and MRR",
        source="theory notes 2.2, derived and checked by enumeration; Ma & Collins 2018",
    )


def likelihood(settings: Settings) -> Consistency:
    """Whether the minimiser's probabilities are p: if Z can be 1."""
    del settings
    return Consistency(
        status="conditional",
        reason="its minimiser's probabilities are p if the model can keep sum exp(s) at 1 for "
        "every row",
        source="theory notes 2.2, checked by enumeration; Ma & Collins 2018",
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
    """Parameters, their block with two moments, what draws; touched rows, scores; float32."""
    b, d, k = shape.batch_size, shape.embedding_dim, _n_negatives(shape, settings)
    touched = _n_touched(shape, settings)
    rows = 3 * touched + 5 * min(touched, shape.n_classes)  # gathered; then updated, each once
    return 4.0 * (4 * shape.n_classes * (d + 2) + rows * (d + 1) + 6 * b * k)
