"""The color maps of the page."""

import numpy as np

from optogram.render.colors import color_table
from optogram.render.display import Scale
from optogram.web.asking import Tell, question
from optogram.web.packing import Answer
from optogram.web.workspace import Workspace

NAMES = ("inferno", "viridis", "magma", "turbo", "gray", "RdBu_r", "PuOr", "coolwarm")
# Names that several collections have; cmap warns of them.
_FULL = {"RdBu_r": "colorbrewer:RdBu_r", "coolwarm": "matplotlib:coolwarm"}


@question()
def colors(workspace: Workspace, tell: Tell) -> Answer:
    """Tables of colors from low to high, (maps, 257, 3) of uint8, and their names."""
    scale = Scale(0.0, 1.0)
    tables = [color_table(scale, _FULL.get(name, name)) for name in NAMES]
    return Answer({"names": NAMES}, {"tables": np.stack(tables)})
