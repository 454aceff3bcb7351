"""Packages that add a loss wrongly are refused in one sentence that names them."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from advisor.catalogue import CARDS, LAYERS, card_module, catalogue, installed, known_losses
from advisor.errors import LossPackageError, UnknownLossError
from profiler.losses import build, names, source_path

CARD = """
from advisor.losses.rg2 import consistency, step_bytes, step_flop, CARD as RG2
CARD = RG2.model_copy(update={"name": "mine"})
"""
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a package with one module of this source where Python looks, by its metadata alone."""

    def write(package: str, source: str = CARD, card: str = "", layer: str = "") -> None:
        (tmp_path / f"{package}_loss.py").write_text(source)
        about = tmp_path / f"{package}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        groups = {CARDS: card, LAYERS: layer}
        lines = (f"[{group}]\n{entry}\n" for group, entry in groups.items() if entry)
        (about / "entry_points.txt").write_text("".join(lines))

    def forget() -> None:
        for name in [n for n in sys.modules if n.endswith("_loss")]:
            del sys.modules[name]
        known_losses.cache_clear()
        installed.cache_clear()

    monkeypatch.syspath_prepend(tmp_path)
    forget()
    yield write
    monkeypatch.undo()
    forget()


def test_a_card_without_a_layer_is_theory_only(install: Install) -> None:
    install("alpha", card="mine = alpha_loss")
    assert "mine" in catalogue()
    assert "mine" not in names()
    assert card_module("mine") == "alpha_loss"


@pytest.mark.parametrize(
    ("source", "card", "says"),
    [
        (CARD, "mine = beta_los", r"mine = 'beta_los' of package beta cannot be imported: ModuleN"),
        ("import nothing_there", "mine = beta_loss", "cannot be imported: ModuleNotFoundError"),
        ("X = 1", "mine = beta_loss", "must name a module that defines CARD, a LossCard"),
        (CARD, "mine = beta_loss:CARD", "must name a module that defines CARD, a LossCard"),
        (CARD, "yours = beta_loss", "CARD.name is 'mine'"),
        (CARD + "\ndel step_flop", "mine = beta_loss", "it lacks step_flop"),
        (CARD, "rg2 = beta_loss", "the catalogue has a rg2 of its own"),
        (
            CARD + "\nCARD = CARD.model_copy(update={'settings': CARD.settings[:1]})",
            "mine = beta_loss",
            "CARD.settings lack weight_decay",
        ),
        (
            CARD + "\nCARD = CARD.model_copy(update={'has_probabilities': True})",
            "mine = beta_loss",
            "it lacks likelihood",
        ),
    ],
)
def test_a_wrong_card_is_refused(install: Install, source: str, card: str, says: str) -> None:
    install("beta", source, card)
    with pytest.raises(LossPackageError, match=says):
        known_losses()


def test_two_packages_with_one_name_are_both_named(install: Install) -> None:
    install("gamma", card="mine = gamma_loss")
    install("delta", card="mine = delta_loss")
    with pytest.raises(LossPackageError, match=r"package (gamma|delta) and .* uninstall one"):
        known_losses()


def test_a_layer_that_is_not_there_or_no_class_is_refused(install: Install) -> None:
    install("eta", card="mine = eta_loss", layer="mine = eta_layers:Mine")
    install("theta", CARD.replace("mine", "own"), "own = theta_loss", "own = theta_loss:CARD")
    assert {"mine", "own"} <= set(names())
    with pytest.raises(LossPackageError, match="there is no module 'eta_layers'"):
        source_path("mine")
    with pytest.raises(LossPackageError, match="own = 'theta_loss:CARD' must name a class"):
        build("own", 2, 3)


def test_a_layer_without_a_card_is_an_error(install: Install) -> None:
    install("iota", layer="mine = iota_loss:CARD")
    with pytest.raises(UnknownLossError, match="unknown loss 'mine'"):
        build("mine", 2, 3)
