"""Live occlusion of feature maps: a layer's maps with one patch on an image, in milliseconds."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.methods.occluding.covering import Patches, windows_for
from optogram.methods.occluding.movable import MovablePatch
from optogram.methods.request.diagnosis import warnings_about_images
from optogram.methods.request.explained_layer import step_with_maps
from optogram.methods.request.painting import paint_for
from optogram.methods.request.request import photos_of, provenance_of
from optogram.network.network import Network
from optogram.pictures.prepared import PreparedPhotos
from optogram.result import OccludedMaps

_BYTES = 4
"""Bytes of a number in a map."""


class FeatureMapProbe:
    """The maps of a layer with a patch on one image; created by `feature_map_probe`.

    Attributes
    ----------
    layer : str
        Name of the layer.
    patch : (height, width)
        Size of the patch, in pixels of the prepared image.
    size : (height, width)
        Size of the prepared image.
    fill : ndarray of shape (1, H, W, C)
        What the patch shows at each place, in network units.
    nbytes : int
        Approximate number of bytes that the probe holds.
    """

    def __init__(
        self,
        net: Network,
        x: np.ndarray,
        paint: np.ndarray,
        movable: MovablePatch,
        layer: str,
        fields: Mapping[str, Any],
        memory: float | str | None,
    ) -> None:
        self._net, self._x, self.fill, self._memory = net, x, paint, memory
        self._movable, self._fields = movable, fields
        self.layer, self.size, self.patch = layer, movable.size, movable.patch
        self._wanted = [Output(net.step(layer).index)]
        self._windowed = windows_for(
            net, self._wanted, self.size, movable.spans, 1000, memory, one_at_a_time=True
        )
        self._base: list[Any] = []
        self._paint: Any = None
        if self._windowed:
            self._base = self._windowed.base(x)
            self._paint = net.backend.to_tensor(np.asarray(paint))
        self._unoccluded = net.evaluate(x, self._wanted, memory)[0]
        self._unoccluded.flags.writeable = False
        self._pictures, self._painted = net.display(x), net.display(np.asarray(paint))
        held = (x, paint, self._unoccluded, self._pictures, self._painted)
        self.nbytes = sum(array.nbytes for array in held)
        # As tensors, again: what the patch shows, and the image, which is the first base.
        self.nbytes += paint.nbytes if self._windowed else 0
        self.nbytes += sum(math.prod(tensor.shape) * _BYTES for tensor in self._base)
        self(0, 0)  # compiles

    def __repr__(self) -> str:
        return (
            f"<FeatureMapProbe of {self._net.name} at {self.layer}: maps {self.maps.shape}, patch "
            f"{self.patch[0]}×{self.patch[1]}>"
        )

    @property
    def maps(self) -> np.ndarray:
        """(h, w, C): the maps without the patch."""
        return self._unoccluded[0]

    @checked
    def __call__(self, y: int, x: int) -> OccludedMaps:
        """The maps with the patch's upper left corner at (y, x).

        The corner may lie outside the image if part of the patch is inside.

        Raises
        ------
        InputError
            If the whole patch is outside the image.
        """
        place = self._movable.at(y, x)
        if self._windowed is not None:
            (maps,) = self._windowed.one(self._base, self._paint, place)
        else:
            covered = self._movable.painted(self._x, self.fill, place)
            (maps,) = self._net.evaluate(covered, self._wanted, self._memory)
        return OccludedMaps(
            values=maps,
            images=self._movable.painted(self._pictures, self._painted, place),
            unoccluded=self._unoccluded,
            box=np.array(self._movable.box(place)),
            **self._fields,
        )


@checked
def feature_map_probe(
    net: Network,
    image: Any,
    layer: str,
    *,
    patch: int | tuple[int, int] | None = None,
    fill: float | str = 127.5,
    fill_space: str = "display",
    margin: int = 0,
    fit: str | None = None,
    memory: float | str | None = None,
) -> FeatureMapProbe:
    """Feature maps with one patch on an image: ``feature_map_probe(net, image, layer)(y, x)``.

    Made for live use, as `occlusion_probe`: only the steps up to the layer are run, and where it
    is faster, only the part of each map that the patch can change.

    Parameters
    ----------
    net : Network
        The network.
    image
        One image, as for `Network.prepare`.
    layer : str
        Name of a layer with feature maps.
    patch, fill, fill_space, margin, fit
        See `occlusion`.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.

    Returns
    -------
    FeatureMapProbe
        A callable: given (y, x) of the patch's upper left corner, it returns the maps with the
        patch, and their difference from those without it, as `OccludedMaps`.

    Raises
    ------
    InputError
        If there are several images, the patch does not fit, or the layer has no feature maps.
    """
    step_with_maps(net, layer)
    x = net.fed(image, fit)
    photos = x.photos if isinstance(x, PreparedPhotos) else None
    x, known = np.asarray(x), photos_of(photos, range(len(x)))
    if len(x) > 1:
        raise InputError(f"Expected one image, got {len(x)}: create one probe for each.")
    size = x.shape[1], x.shape[2]
    patches = Patches(size, patch, None, margin)
    paint = paint_for(net, x, fill, fill_space, max(patches.patch) + 2 * margin)
    fields = {
        "method": "feature_map_probe",
        "parameters": {
            "patch": patches.patch,
            "fill": fill,
            "fill_space": fill_space,
            "margin": margin,
            "fit": known["fit"],
        },
        "provenance": provenance_of(net, x.shape[1:], photos),
        "warnings": (*net.warnings, *warnings_about_images(net, x, photos)),
        "layer": layer,
        **known,
    }
    movable = MovablePatch(size, patches.patch, margin)
    return FeatureMapProbe(net, x, paint, movable, layer, fields, memory)
