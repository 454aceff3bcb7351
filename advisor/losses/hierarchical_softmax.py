"""Card of hierarchical softmax: a binary tree of classes, one yes or no at each node of a path."""

import math

from advisor.card import Claim, Consistency, LossCard, Setting, Settings, StepShape
from advisor.task import Metric

CARD = LossCard(
    name="hierarchical_softmax",
    title="Hierarchical softmax on a binary tree",
    family="factorised",
    formula="L = -sum_{v on path(y)} log sigmoid(b_v z_v), z_v the score of node v, b_v = +1 where "
    "the path goes left, -1 where it goes right",
    minimiser="the law of the leaves is p, exactly",
    smoothness="1/4 in every node score; the gradient of an example has at most sqrt(depth) in l2",
    gradient_bias="none of its own likelihood; its parameters are nodes, not classes, so it is not "
    "comparable to softmax's",
    gradient_variance="of the batch only; no negatives are drawn",
    step_cost="6 B D depth flop: depth is log2 C in a balanced tree, within 1 bit of the entropy "
    "of the classes in a Huffman tree; the optimiser touches the nodes on the paths",
    has_probabilities=True,
    inner_product_serving=False,
    settings=(
        Setting(
            name="learning_rate",
            choices=(3e-3, 1e-3, 1e-2, 5e-3),
            minimum=1e-7,
            maximum=10,
            description="of Adam, for the nodes and the encoder",
        ),
        Setting(
            name="weight_decay",
            choices=(1e-4, 1e-5),
            minimum=0,
            maximum=10,
            description="L2 term of Adam on the touched nodes, for the nodes and the encoder",
        ),
        Setting(
            name="tree",
            choices=("huffman",),
            changes_cost=True,
            allowed=("huffman", "balanced"),
            description="short paths for frequent classes, or paths of one length for all",
        ),
    ),
    claims=(
        Claim(
            topic="minimiser",
            statement="The population minimiser has the leaf log-probabilities log p.",
            status="proved",
            condition="node logits free for every row",
            source="theory notes 3.1, derived and checked numerically",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_has_the_form_of_the_card[hierarchical_softmax]",
        ),
        Claim(
            topic="minimiser",
            statement="Free node logits reach any law: each is the log-odds of the two "
            "branches below its node.",
            status="proved",
            condition="Huffman and balanced trees",
            source="theory notes 3.1 (chain rule)",
            check="tests/theory/test_hierarchical.py::test_free_node_logits_reach_any_law[huffman]",
        ),
        Claim(
            topic="order",
            statement="Ranked by full leaf probabilities, its minimiser orders the classes "
            "strictly as p does.",
            status="proved",
            condition="node logits free for every row: linear nodes must be able to tell the "
            "groups of the tree apart",
            source="theory notes 3.1, derived and checked numerically",
            check="tests/theory/test_minimisers.py"
            "::test_the_optimum_orders_the_classes_as_p[hierarchical_softmax]",
        ),
        Claim(
            topic="order",
            statement="A linear node that cannot tell its groups apart biases the order; the "
            "tree matters.",
            status="assumed",
            condition="few features",
            source="theory notes 3.1",
            check=None,
            unchecked_because="depends on the data and the tree; the calibration measures it "
            "instead",
        ),
        Claim(
            topic="probabilities",
            statement="At the optimum its probabilities are p, exact zeros included.",
            status="proved",
            condition="node logits free for every row",
            source="derived here, checked numerically",
            check="tests/theory/test_minimisers.py"
            "::test_the_probabilities_of_the_optimum_are_p[hierarchical_softmax]",
        ),
        Claim(
            topic="normalisation",
            statement="The leaf probabilities sum to 1.",
            status="proved",
            condition="any node logits",
            source="theory notes 3.1",
            check="tests/theory/test_hierarchical.py::test_the_leaves_sum_to_1[huffman]",
        ),
        Claim(
            topic="inference",
            statement="A beam search is not the full ranking: with exact node probabilities "
            "its first class is wrong in 27% of the laws at width 1, 5% at 2 and .02% at "
            "4; its overlap with the first 4 rises with the width.",
            status="measured",
            condition="balanced tree of 16 classes, Dirichlet(1/2)",
            source="theory notes 3.1 (T19), repeated here on 20,000 laws",
            check="tests/theory/test_hierarchical.py"
            "::test_a_narrow_beam_misses_the_likeliest_class_and_a_wider_one_less_often",
        ),
        Claim(
            topic="smoothness",
            statement="In each node logit the gradient is Lipschitz with constant 1/4; only "
            "the nodes of the path move, and its norm is at most the square root of their "
            "number.",
            status="proved",
            condition="one example",
            source="theory notes 3.1",
            check="tests/theory/test_hierarchical.py"
            "::test_only_the_nodes_of_the_path_move_each_as_smooth_as_a_logistic_loss[huffman]",
        ),
        Claim(
            topic="cost",
            statement="A Huffman tree is within 1 bit of the entropy deep: 7.5 nodes a target "
            "for 1000 Zipf classes, against log2 C = 10.",
            status="proved",
            condition="mean over targets, Zipf frequencies",
            source="theory notes 3.1 (T20)",
            check="tests/theory/test_hierarchical.py"
            "::test_a_huffman_tree_is_within_a_bit_of_the_entropy_and_a_balanced_one_log2_c_deep",
        ),
    ),
    sources=(
        "Morin & Bengio 2005, Hierarchical probabilistic neural network language model (recalled)",
        "Mikolov et al. 2013, Distributed representations of words and phrases (recalled)",
        "Zhuo et al. 2020, Learning optimal tree models under beam search",
        "Pu, Lian & Chen, arXiv 2601.22745 (abstract only)",
    ),
)


def consistency(metric: Metric, settings: Settings) -> Consistency:
    """Whether the minimiser ranks as the metric wants: by the probabilities of all leaves."""
    del settings
    return Consistency(
        status="consistent",
        reason="by the chain rule its minimiser gives every leaf the probability p, and ranking "
        f"by all leaf probabilities is the best order for {metric} with one positive per row; a "
        "beam search down the tree is not exact and may miss the best. With several positives it "
        "orders by expected relevance, which is best for DCG but not exactly for NDCG, recall and "
        "MRR",
        source="theory notes 3.1, derived and checked numerically; beam: Zhuo et al. 2020",
    )


def likelihood(settings: Settings) -> Consistency:
    """Whether the minimiser's probabilities are p."""
    del settings
    return Consistency(
        status="consistent",
        reason="by the chain rule its minimiser gives every leaf the probability p",
        source="theory notes 3.1, checked numerically",
    )


def _depth(shape: StepShape) -> float:
    """Nodes on a path: of a balanced tree; a Huffman tree of skewed counts has fewer."""
    return math.log2(shape.n_classes)


def _touched(shape: StepShape) -> float:
    """Distinct nodes on B paths, at most: all above level log2 B, then each path its own."""
    b, n_nodes = shape.batch_size, shape.n_classes - 1
    return min(n_nodes, b * (1 + max(0.0, _depth(shape) - math.log2(b))))


def step_flop(shape: StepShape, settings: Settings) -> float:
    """Three products per step of a path, and Adam on the touched nodes; log2 C steps at most."""
    del settings
    steps, d = shape.batch_size * _depth(shape), shape.embedding_dim
    return 6.0 * steps * d + 20.0 * steps + 40.0 * _touched(shape) * (d + 1)


def step_bytes(shape: StepShape, settings: Settings) -> float:
    """Parameters, their block with two moments, the tree; gathered steps, touched nodes; float32.

    Evaluation is apart, as for every loss.
    """
    del settings
    c, d, steps = shape.n_classes, shape.embedding_dim, shape.batch_size * _depth(shape)
    return 4.0 * (4 * c * (d + 2) + 10 * c + 5 * steps * (d + 2) + 8 * _touched(shape) * (d + 1))
