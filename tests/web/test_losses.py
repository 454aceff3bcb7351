"""Colours of losses: apart for everyone, seen on their ground, one for each loss."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from advisor.catalogue import known_losses
from tests.web.alone import Alone, alone

pytestmark = pytest.mark.browser
GROUND = {"light": "#ffffff", "dark": "#14171c"}
APART = 0.07
CONTRAST = 3.0  # what graphics need, by WCAG 1.4.11
# How a screen's colours are seen without one kind of cones, in linear RGB; Machado et al. 2009.
EYES = {
    "all cones": np.eye(3),
    "no red": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "no green": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "no blue": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}
# OKLab: Ottosson 2020.
TO_CONES = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
TO_LAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]


def _linear(colour: str) -> np.ndarray:
    share = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def _lab(colour: str, eyes: Any) -> np.ndarray:
    seen = np.clip(np.array(eyes) @ _linear(colour), 0, 1)
    return np.array(TO_LAB) @ np.cbrt(np.array(TO_CONES) @ seen)


def _luminance(colour: str) -> float:
    return float(_linear(colour) @ [0.2126, 0.7152, 0.0722])


@pytest.fixture(scope="module")
def losses(chromium: Browser) -> Iterator[Alone]:
    with alone(chromium, "losses.js") as found:
        yield found


def _styles(losses: Alone, scheme: str) -> dict[str, dict[str, str]]:
    losses.page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
    names = [*known_losses()]
    return dict(zip(names, losses.each("styleOf", names), strict=True))


@pytest.mark.parametrize("scheme", GROUND)
def test_every_two_losses_are_told_apart_by_any_eyes(losses: Alone, scheme: str) -> None:
    styles = _styles(losses, scheme)
    assert len({style["symbol"] for style in styles.values()}) == len(styles) == 12
    for name, eyes in EYES.items():
        seen = {loss: _lab(style["colour"], eyes) for loss, style in styles.items()}
        for one, other in itertools.combinations(seen, 2):
            apart = np.linalg.norm(seen[one] - seen[other])
            assert apart > APART, f"{one} and {other}, {name}: {apart:.3f}"


@pytest.mark.parametrize("scheme", GROUND)
def test_every_loss_is_seen_on_its_ground(losses: Alone, scheme: str) -> None:
    ground = _luminance(GROUND[scheme])
    for loss, style in _styles(losses, scheme).items():
        low, high = sorted((ground, _luminance(style["colour"])))
        assert (high + 0.05) / (low + 0.05) >= CONTRAST, loss


def test_a_loss_that_is_not_ours_has_a_colour_that_stays(losses: Alone) -> None:
    first, again = losses.each("styleOf", ["one of mine", "one of mine"])
    assert first == again
    assert first["colour"].startswith("#")
