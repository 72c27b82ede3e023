"""The color maps of the page."""

import numpy as np

from optogram.render.colors import color_table
from optogram.render.display import Scale
from optogram.web.asking import Tell, question
from optogram.web.packing import Answer
from optogram.web.workspace import Workspace

NAMES = ("inferno", "viridis", "magma", "turbo", "gray", "RdBu_r", "PuOr", "coolwarm")


@question()
def colors(workspace: Workspace, tell: Tell) -> Answer:
    """Tables of colors from low to high, (maps, 257, 3) of uint8, and their names."""
    scale = Scale(0.0, 1.0)
    return Answer({"names": NAMES}, {"tables": np.stack([color_table(scale, n) for n in NAMES])})
