"""What is shipped to prove a layer finds what is wrong with one."""

import pytest
import torch

from profiler.losses.testing import Batch, Row, check_loss, checks
from tests.loss_rows import ROWS


def off_by_a_little(batch: Batch) -> torch.Tensor:
    s = batch.scores
    return -s[range(len(s)), batch.target] + s.mean(1) + 0.501 * (s**2).mean(1)


def test_a_layer_that_does_not_equal_its_formula_is_found_and_all_faults_are_named() -> None:
    with pytest.raises(AssertionError) as found:
        check_loss(Row("wrong", "rg2", off_by_a_little))
    faults = str(found.value).splitlines()
    said = [line.split(": ")[1] for line in faults if line.startswith("wrong: ")]
    assert "value and gradients equal the reference" in said
    assert "a bad batch is refused with what is allowed" not in said


def test_every_loss_of_ours_is_held_to_every_check_of_its_family() -> None:
    asked = {family: set() for family in ("exact", "sampled", "factorised")}
    for check in checks(ROWS):
        asked[check.row.family].add(check.what)
    assert len(asked["exact"]) > 15
    assert asked["factorised"] < asked["exact"]
    assert asked["sampled"] - asked["exact"]
