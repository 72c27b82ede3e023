"""Live occlusion: class probabilities with one patch on an image, in milliseconds."""

import math
import time
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.interpreters.precision import EXACT, in_precision
from optogram.methods.occluding.covering import Patches, windows_for
from optogram.methods.occluding.movable import MovablePatch
from optogram.methods.request.painting import paint_for
from optogram.methods.request.rounding import LARGEST_SHARE, sample_of
from optogram.network.network import Network

_BYTES = 4
"""Bytes of a number in a map."""
_LEAST_GAIN = 1.1
"""Time of a call in full precision, divided by that in reduced precision, that is a gain."""


class OcclusionProbe:
    """Class probabilities with a patch on one image; created by `occlusion_probe`.

    Attributes
    ----------
    patch : (height, width)
        Size of the patch, in pixels of the prepared image.
    size : (height, width)
        Size of the prepared image.
    score : ndarray of shape (outputs,) or (h, w, outputs)
        Logits without the patch, as of `Network.scores`.
    probabilities : ndarray of shape (classes,) or (h, w, classes)
        Class probabilities without the patch.
    fill : ndarray of shape (1, H, W, C)
        What the patch shows at each place, in network units.
    nbytes : int
        Approximate number of bytes that the probe holds.
    rounding_error : float
        Root mean square error of the logits in reduced precision, measured at eight positions; 0 if
        all is exact.
    warnings : tuple of str
        Warnings about the precision.
    """

    def __init__(
        self,
        net: Network,
        x: np.ndarray,
        paint: np.ndarray,
        movable: MovablePatch,
        memory: float | str | None,
    ) -> None:
        self._net, self._x, self.fill, self._memory = net, x, paint, memory
        self._movable = movable
        self.size, self.patch = movable.size, movable.patch
        self.rounding_error, self.warnings = 0.0, tuple[str, ...]()
        values = [net.head.logits]
        self._windowed = windows_for(
            net, values, self.size, movable.spans, 1000, memory, one_at_a_time=True
        )
        self._base: list[Any] = []
        self._paint: Any = None
        if self._windowed:
            self._base = self._windowed.base(x)
            self._paint = net.backend.to_tensor(np.asarray(paint))
        (logits,) = net.evaluate(x, values, memory)
        self.score = logits[0]
        self.probabilities = net.head.probabilities(logits)[0]
        self._shift = np.zeros_like(self.score)
        # As tensors, again: what the patch shows, and the image, which is the first base.
        self.nbytes = x.nbytes + paint.nbytes * (2 if self._windowed else 1)
        self.nbytes += sum(math.prod(tensor.shape) * _BYTES for tensor in self._base)
        self(0, 0)  # compiles

    @checked
    def __call__(self, y: int, x: int) -> np.ndarray:
        """Class probabilities (classes,) with the patch's upper left corner at (y, x).

        The corner may lie outside the image if part of the patch is inside. Of a segmentation
        network: (h, w, classes).

        Raises
        ------
        InputError
            If the whole patch is outside the image.
        """
        return self._net.head.probabilities(self.scores(y, x)[None])[0]

    @checked
    def scores(self, y: int, x: int) -> np.ndarray:
        """Logits (outputs,) with the patch's upper left corner at (y, x).

        As of `Network.scores`; of a segmentation network (h, w, outputs).

        Raises
        ------
        InputError
            If the whole patch is outside the image.
        """
        return self._at(self._movable.at(y, x))

    def _at(self, place: np.ndarray) -> np.ndarray:
        """The logits with the patch at a ``place``, see `MovablePatch.at`."""
        if self._windowed is not None:
            return self._windowed.one(self._base, self._paint, place)[0][0] + self._shift
        covered_image = self._movable.painted(self._x, self.fill, place)
        (logits,) = self._net.evaluate(covered_image, [self._net.head.logits], self._memory)
        return logits[0] + self._shift

    def _or_faster(self, fast: "OcclusionProbe") -> "OcclusionProbe":
        """The probe ``fast`` in reduced precision, which then knows its error, if it is faster.

        Both are timed at a few positions. This one has a warning if it is not.
        """
        fast._shift = self.score - fast.score
        fast.score, fast.probabilities = self.score, self.probabilities
        width = len(self._movable.spans[1])
        places = [divmod(i, width) for i in sample_of(len(self._movable.spans[0]) * width)]
        taken, found = np.empty((2, len(places))), list[list[np.ndarray]]()
        for number, place in enumerate(places):
            found.append([])
            for which, probe in enumerate((self, fast)):
                began = time.perf_counter()
                found[-1].append(probe._at(np.array(place)))
                taken[which, number] = time.perf_counter() - began
        own, others = np.median(taken, axis=1)
        if not own >= _LEAST_GAIN * others:
            self.warnings = (
                'precision="fast" was measured to be less than a tenth faster for single patches, '
                "so all is computed exactly.",
            )
            return self
        exact, rounded = np.stack(found, axis=1)
        fast.rounding_error = float(np.sqrt(np.mean((rounded - exact) ** 2)))
        changed = float(np.std(exact - self.score))
        if not fast.rounding_error <= LARGEST_SHARE * changed:
            fast.warnings = (
                f"The error of reduced precision, {fast.rounding_error:.2g}, is more than "
                f"{LARGEST_SHARE:.0%} of what patches change in the logits, {changed:.2g}: use "
                'precision="exact".',
            )
        return fast


@checked
def occlusion_probe(
    net: Network,
    image: Any,
    *,
    patch: int | tuple[int, int] | None = None,
    fill: float | str = 127.5,
    fill_space: str = "display",
    margin: int = 0,
    precision: str = "exact",
    fit: str | None = None,
    memory: float | str | None = None,
) -> OcclusionProbe:
    """Class probabilities with one patch on an image: ``occlusion_probe(net, image)(y, x)``.

    Made for live use: where it is faster, only the part of each feature map that the patch can
    change is computed, as in `occlusion`.

    Parameters
    ----------
    net : Network
        A classifier, or a segmentation network.
    image
        One image, as for `Network.prepare`.
    patch, fill, fill_space, margin, fit
        See `occlusion`.
    precision : {"exact", "fast"}
        "fast": large products of the network in bfloat16, and normalizations folded into
        convolutions, if a patch is then measured to take less time, otherwise exact with a warning.
        The logits without the patch are exact, and those with it are shifted by the error of those
        without it. ``rounding_error`` of the probe is what remains.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.

    Returns
    -------
    OcclusionProbe
        A callable: given (y, x) of the patch's upper left corner, it returns the class
        probabilities, (classes,); its method `scores` returns the logits.

    Raises
    ------
    InputError
        If there are several images, the patch does not fit, or there is no such precision.
    """
    x = np.asarray(net.fed(image, fit))
    if len(x) > 1:
        raise InputError(f"Expected one image, got {len(x)}: create one probe for each.")
    other, note, _ = in_precision(net, precision, x.shape[1:3])
    patches = Patches((x.shape[1], x.shape[2]), patch, None, margin)
    paint = paint_for(net, x, fill, fill_space, max(patches.patch) + 2 * margin)
    movable = MovablePatch((x.shape[1], x.shape[2]), patches.patch, margin)
    exact = OcclusionProbe(net, x, paint, movable, memory)
    if precision == EXACT:
        return exact
    if other is net:
        exact.warnings = (note,)
        return exact
    return exact._or_faster(OcclusionProbe(other, x, paint, movable, memory))
