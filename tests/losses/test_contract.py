"""What every layer owes its user beside the right value: refusals, sparsity, memory, its file."""

import ast
import doctest
import importlib
from pathlib import Path

import pytest
import torch

from advisor.card import StepShape
from advisor.catalogue import known_losses
from advisor.errors import UnknownLossError
from profiler.losses import build, names, source_path
from profiler.losses.testing import Row, contract
from profiler.losses.testing.contract import HIDDEN, C, D
from tests.loss_rows import ROWS, rows_of
from tests.loss_rows import row_ids as ids
from tests.peak_memory import peak_bytes

EXACT_ROWS, SAMPLED_ROWS = rows_of("exact"), rows_of("sampled")
# Negatives that are the batch's own targets are not drawn.
DRAWING_ROWS = tuple(r for r in SAMPLED_ROWS if r.settings.get("proposal") != "in_batch")
all_rows = pytest.mark.parametrize("row", ROWS, ids=ids(ROWS))


@all_rows
def test_a_bad_batch_is_refused_with_what_is_allowed(row: Row) -> None:
    contract.a_bad_batch_is_refused_with_what_is_allowed(row)


@all_rows
def test_bad_settings_are_refused_with_what_is_allowed(row: Row) -> None:
    contract.bad_settings_are_refused_with_what_is_allowed(row)


@pytest.mark.parametrize("row", SAMPLED_ROWS, ids=ids(SAMPLED_ROWS))
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"n_negatives": C + 1}, f"1 to {C} classes"),
        ({"n_negatives": 0}, f"1 to {C} classes"),
        ({"proposal": "nearest"}, "unknown proposal 'nearest'"),
        ({"proposal": "popularity"}, "needs class_counts"),
    ],
)
def test_negatives_that_cannot_be_drawn_are_refused(row: Row, settings: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        build(row.loss, D, C, **settings)


def test_a_correction_without_log_q_is_refused() -> None:
    layer = importlib.import_module("profiler.losses.sampled_softmax").SampledSoftmax

    class Hard:
        def sample(self, n: int, generator: torch.Generator | None) -> torch.Tensor:
            return torch.zeros(n, dtype=torch.long)

    layer(D, C, n_negatives=2, proposal=Hard(), correction="none")
    with pytest.raises(ValueError, match="needs a proposal with log q"):
        layer(D, C, n_negatives=2, proposal=Hard())
    with pytest.raises(ValueError, match="'both', 'none', 'importance'"):
        layer(D, C, n_negatives=2, correction="logq")


def test_an_unknown_loss_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownLossError, match=r"'softmx'.*softmax"):
        build("softmx", D, C)


@all_rows
def test_a_state_dict_round_trip_keeps_the_scores(row: Row) -> None:
    contract.a_state_dict_round_trip_keeps_the_scores(row)


@pytest.mark.parametrize("row", SAMPLED_ROWS, ids=ids(SAMPLED_ROWS))
def test_a_step_touches_only_the_targets_and_the_drawn_classes(row: Row) -> None:
    contract.a_step_touches_only_the_targets_and_the_drawn_classes(row)


@pytest.mark.parametrize("row", DRAWING_ROWS, ids=ids(DRAWING_ROWS))
def test_a_generator_at_the_same_state_draws_the_same_loss(row: Row) -> None:
    contract.a_generator_at_the_same_state_draws_the_same_loss(row)


@all_rows
def test_log_probabilities_sum_to_one_or_are_refused_as_the_card_says(row: Row) -> None:
    contract.log_probabilities_sum_to_one_or_are_refused_as_the_card_says(row)


@pytest.mark.parametrize("row", EXACT_ROWS, ids=ids(EXACT_ROWS))
def test_an_exact_step_stays_within_the_bytes_of_its_card(row: Row) -> None:
    shape = StepShape(batch_size=1024, n_classes=100_000, embedding_dim=16)
    promised = known_losses()[row.loss].step_bytes(shape, row.settings)
    assert promised < 0.6 * 4 * shape.batch_size * shape.n_classes  # no B x C matrix
    assert peak_bytes(row.loss, shape, row.settings) < 1.5 * promised


def test_without_correction_uniform_draws_still_give_probabilities() -> None:
    layer = build("sampled_softmax", D, C, correction="none", proposal="uniform")
    total = layer.log_prob(HIDDEN.float()).exp().sum(1)
    torch.testing.assert_close(total, torch.ones_like(total))


def test_each_layer_is_one_file_that_imports_torch_and_nothing_of_ours() -> None:
    for name in names():
        tree = ast.parse(source_path(name).read_text())
        imported = {
            (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert {i.split(".")[0] for i in imported} <= {"torch", "math", "typing"}, name


# What has one name in several files and is not the same: a proposal as its loss needs it, and
# steps that each loss of a pair takes in its own way.
OWN_IN_EACH_FILE = {
    *("Proposal", "_Uniform", "_slices", "_class_moments"),
    *("_Gradient", "_Scores", "_lower_bound", "_on_support", "_many", "_solve"),
}


def test_what_stands_in_several_files_is_the_same_text_in_all_of_them() -> None:
    texts: dict[str, set[str]] = {}
    for name in names():
        source = source_path(name).read_text()
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                texts.setdefault(node.name, set()).add(str(ast.get_source_segment(source, node)))
    differing = {name for name, found in texts.items() if len(found) > 1}
    assert differing == OWN_IN_EACH_FILE, "edit it in every file of profiler/losses"


def test_every_layer_has_a_card_and_a_row() -> None:
    assert set(names()) <= set(known_losses())
    assert set(names()) == {row.loss for row in ROWS}


@pytest.mark.parametrize("name", [*(f"losses.{n}" for n in names()), "proposals"])
def test_the_example_in_the_docstring_is_true(name: str) -> None:
    module = importlib.import_module(f"profiler.{name}")
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0


def test_reading_a_source_needs_no_torch() -> None:
    text = Path(source_path("softmax").with_name("__init__.py")).read_text()
    runtime = text.replace("if TYPE_CHECKING:\n    import torch", "")
    assert "\nimport torch" not in runtime
