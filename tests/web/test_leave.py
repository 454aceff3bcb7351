"""A view that is left while it still asks leaves nothing behind: no error, no late answer."""

import pytest
from playwright.sync_api import Route

from tests.web.walk import Walk

pytestmark = pytest.mark.browser
SLOW = {
    "#/": ("uploads", "samples", "recommendations:preview", "calibrations:plan"),
    "#/calibrations": ("calibrations", "recommendations"),
    "#/profiles": ("devices", "profiles"),
    "#/losses": ("losses",),
    "#/losses/rg2": ("losses/rg2",),
    "#/devices": ("devices", "workers"),
}


@pytest.mark.parametrize("view", SLOW)
def test_a_view_that_is_left_while_the_server_is_slow_complains_of_nothing(
    walk: Walk, view: str
) -> None:
    held: list[str] = []

    def hold(route: Route) -> None:  # never answered
        held.append(route.request.url)

    for name in SLOW[view]:
        walk.page.context.route(f"**/v1/{name}*", hold)
    walk.page.goto(f"{walk.base_url}/{view}")
    walk.page.wait_for_timeout(600)  # longer than the form waits before it asks
    assert held
    walk.page.context.unroute_all()
    walk.page.goto(f"{walk.base_url}/#/no-such-view")
    walk.page.get_by_role("heading", name="There is no such view").wait_for()
    walk.page.wait_for_timeout(200)
    assert not walk.unexpected()


def test_the_layer_of_a_loss_is_shown_when_it_is_opened(walk: Walk) -> None:
    page = walk.to("#/losses/rg2")
    page.get_by_text("The layer: one file").click()
    page.get_by_text("class RG2").first.wait_for()
