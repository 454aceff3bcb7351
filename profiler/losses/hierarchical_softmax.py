"""Hierarchical softmax on a Huffman or balanced tree: one self-contained file, torch only."""

import math

import torch
from torch import nn
from torch.nn import functional as F

Target = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
INIT_STD = 0.01  # of the node weights, as of the class weights of every loss


class HierarchicalSoftmax(nn.Module):
    """A class's probability is that of the way to it: one yes or no at each node of a binary tree.

    hidden[B, D], node_rows[C - 1, D], node_bias_rows[C - 1, 1], target[B] classes, or for several
    positives per row the CSR pair (indices[L], offsets[B + 1]); z_v = hidden node_rows_v + bias_v,
    b_v = +1 where the path to the target y goes left at node v, -1 where it goes right:

        loss = -mean_b [ sum_{v on path(y)} log sigmoid(b_v z_bv) ]

    tree "huffman" gives frequent classes short paths and needs class_counts[C], the training
    counts: the mean depth is within 1 of the entropy of the classes in bits. tree "balanced" has
    paths of floor(log2 C) or one more; classes with neighbouring ids are neighbours in it. None
    chooses "huffman" where there are class_counts. The tree is part of the state_dict.

    With positives_weight "each" every positive counts as one example; with "mean" as 1/|r| of
    its row's |r| positives.

    Cost: O(B D depth) time and floats; gradients are sparse: only the nodes on the paths are
    touched, if the optimiser is row-wise too. `scores` of every class O(B C D); `beam` of the best
    few O(B width D depth), not exact. A Huffman tree is built in O(C log C) time.
    Numerical contract: sums in the dtype of hidden; node scores of +-1e4 stay finite.

    Raises ValueError: a size below its minimum, counts missing or not of the classes, target out
    of range, hidden not finite.

    Source: Morin & Bengio 2005; Mikolov et al. 2013 (Huffman tree); Huffman 1952, with the two
    queues of van Leeuwen 1976.

    >>> layer = HierarchicalSoftmax(2, 3, class_counts=torch.tensor([1, 8, 1]))
    >>> _ = nn.init.zeros_(layer.node_rows.weight)
    >>> layer.log_prob(torch.tensor([[1.0, 2.0]])).exp()  # class 1 is at depth 1
    tensor([[0.2500, 0.5000, 0.2500]], grad_fn=<ExpBackward0>)
    """

    # Vertices, classes and nodes alike, are numbered level by level from the root, 0, and in a
    # level from left to right, the classes first; nodes too, among themselves. So the children of
    # node i are the vertices 2 i + 1 (left) and 2 i + 2, and the classes' vertices tell the rest.
    class_vertex: torch.Tensor  # [C]
    vertex_class: torch.Tensor  # [2 C - 1], -1 for nodes
    vertex_above: torch.Tensor  # [2 C - 1], 0 for the root

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        *,
        bias: bool = True,
        tree: str | None = None,
        class_counts: torch.Tensor | None = None,
        positives_weight: str = "each",
    ) -> None:
        super().__init__()
        if in_features < 1 or n_classes < 2:
            raise ValueError(
                f"in_features={in_features}, n_classes={n_classes}; at least 1 and 2 are allowed"
            )
        if tree not in (None, "huffman", "balanced"):
            raise ValueError(f"tree={tree!r}; allowed are 'huffman', 'balanced'")
        if positives_weight not in ("each", "mean"):
            raise ValueError(f"positives_weight={positives_weight!r}; allowed are 'each', 'mean'")
        self.n_classes = n_classes
        self.positives_weight = positives_weight
        self.node_rows = nn.Embedding(n_classes - 1, in_features, sparse=True)
        nn.init.normal_(self.node_rows.weight, std=INIT_STD)
        self.node_bias_rows = nn.Embedding(n_classes - 1, 1, sparse=True) if bias else None
        if self.node_bias_rows is not None:
            nn.init.zeros_(self.node_bias_rows.weight)
        if tree == "balanced" or (tree is None and class_counts is None):
            self._set_tree(_leaf_vertices(_balanced_leaves(n_classes)))
        else:
            self._set_tree(_huffman_vertices(class_counts, n_classes))

    def _set_tree(self, class_vertex: torch.Tensor) -> None:
        device, n_classes = class_vertex.device, self.n_classes
        vertex_class = torch.full((2 * n_classes - 1,), -1, device=device)
        vertex_class[class_vertex] = torch.arange(n_classes, device=device)
        node_vertex = (vertex_class < 0).nonzero()[:, 0]
        vertex_above = torch.cat((node_vertex[:1], node_vertex.repeat_interleave(2)))
        # Of each level of nodes: the first, the end, and the first one's vertex.
        self._levels: list[tuple[int, int, int]] = []
        first, end, next_vertex = 0, 1, 1
        while first < end:
            self._levels.append((first, end, next_vertex - (end - first)))
            next_vertex = 2 * end + 1
            first, end = end, int(torch.searchsorted(node_vertex, next_vertex))
        self.register_buffer("class_vertex", class_vertex, persistent=False)
        self.register_buffer("vertex_class", vertex_class, persistent=False)
        self.register_buffer("vertex_above", vertex_above, persistent=False)

    def get_extra_state(self) -> torch.Tensor:
        """The tree, for the state_dict: the vertex of each class."""
        return self.class_vertex

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Take the tree of a state_dict."""
        self._set_tree(state.to(self.class_vertex.device))

    def forward(self, hidden: torch.Tensor, target: Target) -> torch.Tensor:
        """The mean loss of a batch, a scalar."""
        hidden, classes, row_weight = _examples(
            hidden, target, self.n_classes, self.positives_weight
        )
        rows, nodes, sign = self._paths(classes)
        nodes, position = nodes.unique(return_inverse=True)  # the root is on every path
        weight = self.node_rows(nodes)
        z = (hidden.index_select(0, rows) * weight.index_select(0, position)).sum(1)
        if self.node_bias_rows is not None:
            z = z + self.node_bias_rows(nodes)[:, 0].index_select(0, position)
        return -(row_weight.index_select(0, rows) * F.logsigmoid(sign * z)).sum()

    def _paths(self, classes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of every step of every path its row, its node, and +1 if it goes left, -1 if right."""
        steps = [self.class_vertex.index_select(0, classes)]
        while len(steps) < len(self._levels):
            steps.append(self.vertex_above.index_select(0, steps[-1]))
        vertices = torch.stack(steps, dim=1).view(-1)  # row by row, 0 above the root
        kept = vertices.nonzero()[:, 0]
        edges = vertices.index_select(0, kept) - 1
        return kept // len(steps), edges >> 1, 1 - 2 * (edges & 1)

    def scores(self, hidden: torch.Tensor) -> torch.Tensor:
        """The log-probability of every class, [B, C]: the sums down the tree, level by level."""
        z = F.linear(self.node_rows.weight, hidden)
        if self.node_bias_rows is not None:
            z = z + self.node_bias_rows.weight
        level, found = z.new_zeros(1, len(hidden)), []
        for first, end, _ in self._levels:
            here = z[first:end]
            n_leaves = len(level) - len(here)
            found.append(level[:n_leaves])
            sides = torch.stack((F.logsigmoid(here), F.logsigmoid(-here)), dim=1)
            level = (level[n_leaves:, None] + sides).flatten(0, 1)
        by_vertex = torch.cat((*found, level))
        leaf_of_class = (self.vertex_class >= 0).cumsum(0)[self.class_vertex] - 1
        return by_vertex.index_select(0, leaf_of_class).t().contiguous()

    def log_prob(self, hidden: torch.Tensor) -> torch.Tensor:
        """Log-probabilities, [B, C]."""
        return self.scores(hidden)

    def beam(self, hidden: torch.Tensor, k: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The k likeliest classes that a beam search finds, [B, k], and their log-probabilities.

        At each level only the `width` likeliest vertices are kept, so that it may miss a class
        whose ancestors are unlikely; with width = C it is exact. Raises ValueError unless
        1 <= k <= min(width, C).
        """
        if not 1 <= k <= min(width, self.n_classes):
            raise ValueError(
                f"k={k}, width={width}; allowed are 1 <= k <= width, and k <= {self.n_classes}"
            )
        vertex = torch.zeros(len(hidden), 1, dtype=torch.long, device=hidden.device)
        log_prob = hidden.new_zeros(len(hidden), 1)
        for first, _, first_vertex in self._levels:
            is_node = vertex >= first_vertex  # the others are classes, of this level or above
            node = (vertex - first_vertex + first).where(is_node, 0)
            z = (self.node_rows(node) * hidden[:, None]).sum(2)
            if self.node_bias_rows is not None:
                z = z + self.node_bias_rows(node)[..., 0]
            left = log_prob + F.logsigmoid(z).where(is_node, 0)
            right = log_prob + F.logsigmoid(-z).where(is_node, -math.inf)
            below = torch.cat(((2 * node + 1).where(is_node, vertex), 2 * node + 2), dim=1)
            joined = torch.cat((left, right), dim=1)
            log_prob, kept = joined.topk(min(width, joined.shape[1]))
            vertex = below.gather(1, kept)
        return self.vertex_class[vertex[:, :k]], log_prob[:, :k]


def _leaf_vertices(leaves: list[int]) -> torch.Tensor:
    """The vertices of the classes from left to right, of a tree with leaves[depth] classes."""
    found, first, width = [], 0, 1
    for n_leaves in leaves:
        found.append(torch.arange(first, first + n_leaves))
        first, width = first + width, 2 * (width - n_leaves)
    return torch.cat(found)


def _balanced_leaves(n_classes: int) -> list[int]:
    depth = (n_classes - 1).bit_length()
    n_last = 2 * (n_classes - 2 ** (depth - 1))
    return [0] * (depth - 1) + [n_classes - n_last, n_last]


def _huffman_vertices(class_counts: torch.Tensor | None, n_classes: int) -> torch.Tensor:
    """The vertex of each class: the more frequent the higher, of equal ones the smaller id."""
    if class_counts is None:
        raise ValueError("tree='huffman' needs class_counts, one training count per class")
    if class_counts.shape != (n_classes,) or not bool((class_counts >= 0).all()):
        raise ValueError(
            f"class_counts {tuple(class_counts.shape)} must hold a count >= 0 for each of the "
            f"{n_classes} classes"
        )
    by_count = class_counts.cpu().argsort(descending=True, stable=True)
    leaves = _huffman_leaves(class_counts.cpu()[by_count].tolist())
    vertices = torch.empty_like(by_count)
    vertices[by_count] = _leaf_vertices(leaves)
    return vertices


def _huffman_leaves(falling: list[float]) -> list[int]:
    """How many classes have each depth in a Huffman tree of these falling counts.

    The two smallest of all vertices without a parent are joined until one is left; they stand at
    the front of one of two queues, of classes and of joined vertices, which both rise. Of equal
    ones the class comes first, which keeps the tree as flat as it can be.
    """
    n_nodes = len(falling) - 1
    rising = [*reversed(falling), math.inf, math.inf]
    total: list[float] = []
    parent = [0] * n_nodes
    next_class = next_node = 0
    for node in range(n_nodes):
        joined = 0.0
        for _ in range(2):
            if next_node < node and total[next_node] < rising[next_class]:
                joined += total[next_node]
                parent[next_node] = node
                next_node += 1
            else:
                joined += rising[next_class]
                next_class += 1
        total.append(joined)
    depth = [0] * n_nodes
    for node in reversed(range(n_nodes - 1)):
        depth[node] = depth[parent[node]] + 1
    nodes = torch.tensor(depth).bincount()
    return [0, *(2 * nodes - F.pad(nodes[1:], (0, 1))).tolist()]


def _examples(
    hidden: torch.Tensor, target: Target, n_classes: int, positives_weight: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One row per positive: hidden[E, D], class[E], and weight[E] that sums to 1."""
    if hidden.ndim != 2 or not hidden.is_floating_point():
        shape = f"{tuple(hidden.shape)} of {hidden.dtype}"
        raise ValueError(f"hidden is {shape}; a floating-point matrix [B, D] is allowed")
    # Of finite numbers the sum alone is asked, at a tenth of the time; it may overflow
    if not (torch.isfinite(hidden.sum()) or torch.isfinite(hidden).all()):
        raise ValueError("hidden must be finite; it holds NaN or infinity")
    classes, weight = target, None
    if isinstance(classes, (tuple, list)):
        classes, offsets = classes
        counts = offsets.diff()
        is_whole = not (offsets.is_floating_point() or offsets.is_complex())
        fits = is_whole and len(offsets) == len(hidden) + 1
        if not fits or (counts < 0).any() or int(offsets[0]) != 0:
            raise ValueError(f"offsets must rise from 0 and hold {len(hidden)} + 1 whole numbers")
        if int(offsets[-1]) != len(classes):
            raise ValueError(f"offsets end at {int(offsets[-1])}, there are {len(classes)} indices")
        rows = torch.repeat_interleave(torch.arange(len(hidden), device=hidden.device), counts)
        hidden = hidden.index_select(0, rows)
        if positives_weight == "mean":
            weight = counts.to(hidden.dtype).reciprocal().index_select(0, rows)
    if classes.dtype != torch.long:
        raise ValueError(f"target must be torch.long, it is {classes.dtype}")
    if classes.ndim != 1 or len(classes) != len(hidden) or len(classes) == 0:
        raise ValueError(f"target {tuple(classes.shape)} must hold one class per row, at least one")
    low, high = (int(bound) for bound in classes.aminmax())
    if low < 0 or high >= n_classes:
        raise ValueError(f"target holds classes {low} to {high}; allowed are 0 to {n_classes - 1}")
    if weight is None:
        weight = torch.ones_like(hidden[:, 0])
    return hidden, classes, weight / weight.sum()
