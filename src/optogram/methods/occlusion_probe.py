"""Live occlusion: class probabilities with one patch on an image, in milliseconds."""

import math
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
        precision: str = EXACT,
    ) -> None:
        exact, (net, note, _) = net, in_precision(net, precision, movable.size)
        self._net, self._x, self.fill, self._memory = net, x, paint, memory
        self._movable = movable
        self.size, self.patch = movable.size, movable.patch
        self.warnings = (note,) if note else ()
        self.rounding_error = 0.0
        values = [net.head.logits]
        self._windowed = windows_for(
            net, values, self.size, movable.spans, 1000, memory, one_at_a_time=True
        )
        self._base: list[Any] = []
        self._paint: Any = None
        if self._windowed:
            self._base = self._windowed.base(x)
            self._paint = net.backend.to_tensor(np.asarray(paint))
        (logits,) = exact.evaluate(x, values, memory)
        self.score = logits[0]
        self.probabilities = net.head.probabilities(logits)[0]
        self._shift = np.zeros_like(self.score)
        # As tensors, again: what the patch shows, and the image, which is the first base.
        self.nbytes = x.nbytes + paint.nbytes * (2 if self._windowed else 1)
        self.nbytes += sum(math.prod(tensor.shape) * _BYTES for tensor in self._base)
        self(0, 0)  # compiles
        if net is not exact:
            self._compare(exact)

    def _compare(self, exact: Network) -> None:
        """Measure the error of reduced precision; the image itself gets its exact logits."""
        fast = self._net.evaluate(self._x, [self._net.head.logits], self._memory)[0][0]
        self._shift = self.score - fast
        rows, columns = (len(spans) for spans in self._movable.spans)
        places = [np.array(divmod(int(i), columns)) for i in sample_of(rows * columns)]
        covered = [self._movable.painted(self._x, self.fill, place) for place in places]
        (found,) = exact.evaluate(np.concatenate(covered), [exact.head.logits], self._memory)
        errors = np.stack([self._at(place) for place in places]) - found
        self.rounding_error = float(np.sqrt(np.mean(errors**2)))
        spread = float(np.std(found - self.score))
        if not self.rounding_error <= LARGEST_SHARE * spread:
            self.warnings += (
                f"The error of reduced precision, {self.rounding_error:.2g}, is more than "
                f"{LARGEST_SHARE:.0%} of what patches change in the logits, {spread:.2g}: use "
                'precision="exact".',
            )

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
        "fast": where that is faster, large products of the network in bfloat16, and normalizations
        folded into convolutions. The logits without the patch are exact, and those with it are
        shifted by the error of those without it. ``rounding_error`` of the probe is what remains.
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
    patches = Patches((x.shape[1], x.shape[2]), patch, None, margin)
    paint = paint_for(net, x, fill, fill_space, max(patches.patch) + 2 * margin)
    movable = MovablePatch((x.shape[1], x.shape[2]), patches.patch, margin)
    return OcclusionProbe(net, x, paint, movable, memory, precision)
