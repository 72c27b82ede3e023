"""All views of many kinds of networks, one walk for each; several networks share an explorer."""

import pytest

from explored import KINDS
from walking import VIEWS, Walk

pytestmark = pytest.mark.once

# Views of the largest networks whose programs take tens of seconds to compile: these are walked
# through in the full set.
SLOW = {"lite0": ("unit",), "densenet121": ("patch", "why", "network", "unit")}


def walk(visit, name, views):
    number = list(KINDS).index(name)
    explorer = visit.explorer("kinds")
    net = explorer.workspace.networks[number]
    layer = [name for name in net.map_layers() if net[name].kind == "Conv2D"][-1]
    begin = f"view=layer&layer={layer}" if views[0] == "maps" else f"view={views[0]}"
    page = visit("kinds", f"?model={number}&methods=gradcam&{begin}")
    Walk(page, explorer, number, layer).through(views)


@pytest.mark.parametrize("name", KINDS)
def test_views(visit, name):
    walk(visit, name, [view for view in VIEWS if view not in SLOW.get(name, ())])


@pytest.mark.full
@pytest.mark.parametrize("name", SLOW)
def test_all_views_of_the_largest_networks(visit, name):
    walk(visit, name, VIEWS)


@pytest.mark.each_backend
def test_all_views_on_each_backend(visit):
    page = visit("fused", "?methods=gradcam")
    Walk(page, visit.explorer("fused"), 0, "conv2").through(VIEWS)
