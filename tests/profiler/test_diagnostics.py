"""Diagnostics: exact values by enumeration, every layer, and a calibration with them or without."""

import itertools
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from advisor.card import LossCard
from advisor.catalogue import known_loss
from advisor.evidence import GradientAgreement, Support
from advisor.recommendation import Recommendation
from advisor.value import Interval
from profiler.calibrate import calibrate
from profiler.device import this_device
from profiler.diagnostics import diagnose, smoothness
from profiler.losses import build
from profiler.losses.testing import Row, make_layer
from profiler.workspace import Workspace
from tests.loss_rows import ROWS, row_ids
from tests.small_data import small_task, write_interactions

pytestmark = pytest.mark.slow
N_CLASSES, N_FEATURES, N_ROWS = 4, 3, 5
Q = (0.5, 0.25, 0.125, 0.125)
URN = torch.tensor([0, 0, 0, 0, 1, 1, 2, 3])  # drawing from it uniformly is drawing from Q


class EverySample(nn.Module):
    """Every sample of n from the urn, one after the other: the mean over all is the expectation."""

    def __init__(self) -> None:
        super().__init__()
        self.samples = {
            n: itertools.cycle(itertools.product(URN.tolist(), repeat=n))
            for n in range(1, N_CLASSES + 1)
        }

    def sample(self, n: int, generator: torch.Generator | None) -> torch.Tensor:
        return torch.tensor(next(self.samples[n]))

    def log_q(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.tensor(Q, dtype=torch.double).log()[ids]


def batch(n_rows: int = N_ROWS, n_classes: int = N_CLASSES) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(n_rows, N_FEATURES, generator=generator, dtype=torch.double)
    return hidden, torch.randint(n_classes, (n_rows,), generator=generator)


def sampled(n_negatives: int, correction: str) -> nn.Module:
    torch.manual_seed(0)
    layer = build(
        "sampled_softmax", N_FEATURES, N_CLASSES, n_negatives=n_negatives, correction=correction
    ).double()
    layer.proposal = EverySample()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.5)
    return layer


def gradient(loss: torch.Tensor, inputs: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, inputs)])


def enumerated(layer: nn.Module, n_negatives: int, correction: str) -> dict[str, float]:
    """Bias, variance and cosines by all samples there are, without the code under test."""
    hidden, target = batch()
    weight = layer.weight_rows.weight.detach().clone()
    bias = layer.bias_rows.weight.detach().clone()[:, 0]
    inputs = [x.requires_grad_() for x in (hidden, weight, bias)]
    log_q = torch.tensor(Q, dtype=torch.double).log()

    def scores() -> torch.Tensor:
        return hidden @ weight.t() + bias

    exact = gradient(F.cross_entropy(scores(), target), inputs)
    found = []
    for drawn in itertools.product(URN.tolist(), repeat=n_negatives):
        s, drawn = scores(), torch.tensor(drawn)
        own, negative = s.gather(1, target[:, None]), s[:, drawn]
        if correction == "both":
            own, negative = own - log_q[target][:, None], negative - log_q[drawn]
        if correction == "importance":
            other = drawn != target[:, None]
            chance = log_q[drawn].exp() / (1 - log_q[target].exp())[:, None]
            log_mean = (other.sum(1, keepdim=True) * chance).log()
            negative = (negative - log_mean).masked_fill(~other, -math.inf)
        joined = torch.cat((own, negative), 1)
        found.append(gradient(F.cross_entropy(joined, torch.zeros_like(target)), inputs))
    every, norm = torch.stack(found), exact.norm()
    mean = every.mean(0)
    cosines = F.cosine_similarity(every, exact[None])
    return {
        "bias": float((mean - exact).norm() / norm),
        "variance": float(every.var(0).sum() / norm**2),
        "cosine_of_mean": float(F.cosine_similarity(mean, exact, dim=0)),
        "cosine": float(cosines.quantile(0.5)),
        "low": float(cosines.quantile(0.25)),
        "high": float(cosines.quantile(0.75)),
    }


def agreement_of(n_negatives: int, correction: str) -> GradientAgreement:
    layer = sampled(n_negatives, correction)
    found = diagnose(layer, *batch(), draws=len(URN) ** n_negatives).agreement
    assert found is not None
    return found


@pytest.mark.parametrize("correction", ["both", "importance", "none"])
@pytest.mark.parametrize("n_negatives", [1, 2])
def test_the_figures_are_those_of_all_samples_there_are(n_negatives: int, correction: str) -> None:
    got = agreement_of(n_negatives, correction)
    expected = enumerated(sampled(n_negatives, correction), n_negatives, correction)
    assert got.bias == pytest.approx(expected["bias"])
    assert got.variance == pytest.approx(expected["variance"])
    assert got.bias_floor == pytest.approx(math.sqrt(got.variance / got.n_draws))
    assert got.cosine_of_mean == pytest.approx(expected["cosine_of_mean"])
    assert got.cosine.mean == pytest.approx(expected["cosine"])
    assert got.cosine.low == pytest.approx(expected["low"])
    assert got.cosine.high == pytest.approx(expected["high"])


def test_the_bias_of_the_importance_form_falls_with_the_negatives() -> None:
    biases = [agreement_of(n, "importance").bias for n in (1, 2, 3)]
    assert biases[0] > 1.1 * biases[1] > 1.1**2 * biases[2]


def test_more_negatives_are_measured_and_not_extrapolated() -> None:
    torch.manual_seed(0)
    layer = build("sampled_softmax", N_FEATURES, 50, n_negatives=8).double()
    found = diagnose(layer, *batch(n_classes=50), generator=torch.Generator().manual_seed(2))
    other = build("sampled_softmax", N_FEATURES, 50, n_negatives=32).double()
    other.load_state_dict(layer.state_dict())
    own = diagnose(other, *batch(n_classes=50), generator=torch.Generator().manual_seed(2))
    assert found.more_negatives is not None
    assert own.agreement is not None
    assert found.more_negatives.n_negatives == own.agreement.n_negatives == 32
    assert found.more_negatives.cosine.mean == pytest.approx(own.agreement.cosine.mean, abs=0.02)
    assert own.more_negatives is not None
    assert own.more_negatives.n_negatives == 50  # as many as there are classes


def test_softmax_itself_has_neither_bias_nor_variance() -> None:
    found = diagnose(build("softmax", N_FEATURES, N_CLASSES).double(), *batch())
    assert found.agreement is not None
    assert found.agreement.bias == pytest.approx(0, abs=1e-12)
    assert found.agreement.variance == found.agreement.bias_floor == 0
    assert found.agreement.cosine.mean == pytest.approx(1)
    assert found.support == Support(classes=N_CLASSES, target_outside=0)
    assert found.more_negatives is None
    assert found.missing == {"more_negatives": "nothing is drawn"}


@pytest.mark.parametrize("bias", [True, False])
def test_the_support_of_sparsemax_is_that_of_the_sorted_scores(bias: bool) -> None:
    torch.manual_seed(0)
    layer = build("sparsemax", N_FEATURES, 30, bias=bias).double()
    nn.init.normal_(layer.weight)
    hidden, target = batch(40, 30)
    touched = []
    outside = 0
    for scores, y in zip(layer.scores(hidden).detach(), target, strict=True):
        falling = scores.sort(descending=True).values
        inside = 1 + torch.arange(1, 31) * falling > falling.cumsum(0)
        size = int(inside.sum())
        p = (scores - (falling[:size].sum() - 1) / size).clamp_min(0)
        outside += int(p[y] == 0)
        slope = p - F.one_hot(y, 30)
        touched.append(int((slope != 0).sum()))
    found = diagnose(layer, hidden, target).support
    assert found is not None
    assert found.classes == pytest.approx(sum(touched) / 40)
    assert found.target_outside == pytest.approx(outside / 40)


@pytest.mark.parametrize("row", ROWS, ids=row_ids(ROWS))
def test_every_layer_is_diagnosed_and_left_as_it_is(row: Row) -> None:
    layer = make_layer(row, N_FEATURES, 40)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    found = diagnose(layer, *batch(16, 40), draws=3, generator=torch.Generator().manual_seed(0))
    card: LossCard = known_loss(row.loss).card
    if card.family == "factorised":
        assert found.agreement is None
        assert "not of classes" in found.missing["agreement"]
    else:
        assert found.agreement is not None, found.missing
        assert -1 <= found.agreement.cosine.low <= found.agreement.cosine.high <= 1 + 1e-9
        assert (found.agreement.n_negatives is None) == (card.family == "exact")
    assert (found.support is None) == ("support" in found.missing)
    assert (found.more_negatives is None) == ("more_negatives" in found.missing)
    after = layer.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert all(p.grad is None for p in layer.parameters())


def test_bad_input_is_refused() -> None:
    layer = build("sampled_softmax", N_FEATURES, N_CLASSES).double()
    hidden, target = batch()
    with pytest.raises(ValueError, match="at least 2"):
        diagnose(layer, hidden, target, draws=1)
    with pytest.raises(ValueError, match="allowed are 0 to 3"):
        diagnose(layer, hidden, target + N_CLASSES)


def test_a_gradient_that_is_0_has_no_cosine_and_says_why() -> None:
    layer = build("sparsemax", N_FEATURES, N_CLASSES).double()
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.tensor([2.0, 0, 0, 0]))
    hidden, _ = batch()
    found = diagnose(layer, hidden, torch.zeros(N_ROWS, dtype=torch.long))
    assert found.agreement is None
    assert "0 or not finite" in found.missing["agreement"]
    assert found.support == Support(classes=0, target_outside=0)


def test_smoothness_is_the_change_of_the_gradient_along_the_steps() -> None:
    torch.manual_seed(0)
    layer = build("softmax", N_FEATURES, N_CLASSES).double()
    hidden, target = batch()
    where = [hidden.clone(), layer.weight.detach().clone(), layer.bias.detach().clone()]
    move = [torch.randn_like(x) for x in where]

    def exact(x: list[torch.Tensor]) -> torch.Tensor:
        h, w, b = (v.clone().requires_grad_() for v in x)
        return gradient(F.cross_entropy(h @ w.t() + b, target), [h, w, b])

    ratios = []
    for t in range(3):
        old, new = ([x + k * m for x, m in zip(where, move, strict=True)] for k in (t, t + 1))
        change = (exact(new) - exact(old)).norm()
        ratios.append(float(change / math.sqrt(sum(float((m**2).sum()) for m in move))))

    def step() -> None:
        for x, m in zip((hidden, layer.weight.data, layer.bias.data), move, strict=True):
            x += m

    found = smoothness(layer, lambda: hidden, target, step, n_steps=3)
    low, median, high = sorted(ratios)
    assert isinstance(found, Interval)
    assert (found.low, found.mean, found.high) == pytest.approx((low, median, high))


def test_smoothness_sees_the_same_draws_at_every_step_and_no_way_is_none() -> None:
    layer = build("sampled_softmax", N_FEATURES, 50, n_negatives=3).double()
    hidden, target = batch(n_classes=50)

    def tiny_step() -> None:
        layer.weight_rows.weight.data += 1e-6

    found = smoothness(layer, lambda: hidden, target, tiny_step)
    assert isinstance(found, Interval)
    assert found.high < 10  # with other draws the gradient would jump: about 1e5
    assert "did not move" in str(smoothness(layer, lambda: hidden, target, lambda: None))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("diagnostics")
    write_interactions(folder / "pairs.csv")
    return Workspace(folder, device=this_device(1))


def settled(place: Workspace, loss: str, **given: object) -> Recommendation:
    """A race of one setting of one loss to a short horizon: it ends long before its budget."""
    losses = {
        "include": [loss],
        "settings": {loss: {"learning_rate": [0.01], "weight_decay": [1e-5]}},
    }
    task = small_task(Path(place.data_dir) / "pairs.csv", epochs=3, losses=losses)
    return calibrate(task, 30, workspace=place, **given).recommendation


def words(answer: Recommendation, beginning: str) -> list[str]:
    return [r.text for r in answer.reasons if r.text.startswith(beginning)]


def test_a_calibration_says_the_cosine_of_its_leader(place: Workspace) -> None:
    answer = settled(place, "sampled_softmax")
    (said,) = words(answer, "With ")
    assert "the gradient of sampled_softmax has cosine" in said
    reasons = [r.text for r in answer.ranking[0].reasons]
    assert said in reasons
    assert "along the way of training" in reasons[-1]
    assert answer.elapsed_seconds < 30


def test_a_calibration_says_what_a_sparse_leader_touches(place: Workspace) -> None:
    (said,) = words(settled(place, "sparsemax"), "The gradient of sparsemax touches")
    assert "of 200 classes per row" in said


@pytest.mark.parametrize("trouble", ["no time", "a broken child", "no state"])
def test_without_a_diagnosis_the_answer_is_whole(
    place: Workspace, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    module = "profiler.diagnose_in_child"
    if trouble == "no time":
        monkeypatch.setattr(f"{module}._expected_seconds", lambda *_: math.inf)
    if trouble == "a broken child":
        monkeypatch.setattr(f"{module}._FUNCTION", "no.such.module:at_all")
    if trouble == "no state":
        monkeypatch.setattr(f"{module}._newest_state", lambda _: None)
    answer = settled(place, "sampled_softmax")
    assert answer.evidence_level == "measured"
    assert answer.reasons
    assert not words(answer, "With ")


def test_told_to_stop_it_is_not_diagnosed(place: Workspace) -> None:
    reports: list[object] = []
    answer = settled(
        place,
        "sampled_softmax",
        on_event=lambda event: reports.append(event.kind),
        should_stop=lambda: "leg_ended" in reports,
    )
    assert answer.evidence_level == "measured"
    assert not words(answer, "With ")
