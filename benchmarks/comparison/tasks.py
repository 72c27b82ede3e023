"""What is timed: the same task, in the same size, for every side.

``forward`` and ``backward`` are how many images pass through the whole network in each direction
when nothing is saved; a side that needs fewer is faster than its limit.
"""

from dataclasses import dataclass

import numpy as np

SIDE = 224
PHOTOS = 8
SAMPLES = 16
NOISE = 0.15
POINTS = 16
PATCH = 16
POSITIONS = (SIDE // PATCH) ** 2
MASKS = 256
GRID = 7
SEGMENTS = 8
FILTERS = 4
STEPS = 8
BATCH = 32
CHANNELS = -1
"""In `Task.forward`: one image for each channel of the layer."""


@dataclass(frozen=True)
class Task:
    """A method with its settings.

    Attributes
    ----------
    settings : str
        In words, for the page.
    forward, backward : int
        Images that pass through the network forward, and back to the image.
    networks : tuple of str
        Those that it is timed for; empty for all.
    """

    settings: str
    forward: int
    backward: int = 0
    networks: tuple[str, ...] = ()

    def has(self, network: str) -> bool:
        """Whether it is timed for the network."""
        return not self.networks or network in self.networks

    def passes(self, channels: int) -> tuple[int, int]:
        """Images forward and backward, for a layer of ``channels``."""
        return channels if self.forward == CHANNELS else self.forward, self.backward


def segments() -> np.ndarray:
    """(224, 224): the number of the cell of each pixel, for masks by segments."""
    cells = np.arange(SEGMENTS**2, dtype=np.int32).reshape(SEGMENTS, SEGMENTS)
    return cells.repeat(SIDE // SEGMENTS, axis=0).repeat(SIDE // SEGMENTS, axis=1)


LITE = "efficientnet-lite0"
TASKS = {
    "gradcam": Task(f"{PHOTOS} photos", PHOTOS),
    "saliency": Task(f"{PHOTOS} photos", PHOTOS, PHOTOS),
    "smoothgrad": Task(f"1 photo, {SAMPLES} samples", SAMPLES, SAMPLES),
    "integrated_gradients": Task(f"1 photo, {POINTS} points", POINTS, POINTS),
    "guided_backprop": Task(f"{PHOTOS} photos", PHOTOS, PHOTOS, ("vgg16",)),
    "occlusion": Task(f"1 photo, patch and stride {PATCH}", POSITIONS),
    "scorecam": Task("1 photo, all maps of the layer", CHANNELS, 0, (LITE,)),
    "ablationcam": Task("1 photo, all maps of the layer", CHANNELS, 0, (LITE,)),
    "rise": Task(f"1 photo, {MASKS} masks", MASKS, 0, (LITE,)),
    "kernel_shap": Task(f"1 photo, {SEGMENTS}×{SEGMENTS} cells, {MASKS} masks", MASKS, 0, (LITE,)),
    "maximize": Task(
        f"{FILTERS} filters of the layer, {STEPS} steps", FILTERS * STEPS, FILTERS * STEPS
    ),
}
