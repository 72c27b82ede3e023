"""A box of a detector as a target: why is this class seen at this place?"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from optogram.arguments import shown, whole
from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.interpreters.ends.head import Head
from optogram.interpreters.ends.proof import sigmoid
from optogram.network.boxes import boxes_of, decodes
from optogram.network.network import Network
from optogram.network.outputs import Outputs
from optogram.pictures.boxes import FORMATS, overlaps
from optogram.target import Class, Target, Weights
from optogram.words import counted

Place = tuple[float, float, float, float]


@dataclass(frozen=True)
class Box(Target):
    """The score of a class for one box of a detector.

    For networks opened for the class scores of boxes, (N, boxes, classes), with
    ``output="cls_logits"``, say. The box is chosen once, for the image explained, and kept: every
    altered copy of the image is scored by the same anchor or query, at the same index. (D-RISE
    compares with the most similar box of each copy instead, and so also follows boxes that move.)

    Without ``index``, it is the box with the largest product of the probability of the class and
    the overlap of box and region (intersection over union): the similarity of D-RISE for a box that
    is only of this class. Of linear scores, the probability is their logistic function. Several
    images each have their own box.

    Petsiuk et al., "Black-box explanation of object detectors via saliency maps" (D-RISE, 2021),
    equations 1 to 5.

    Parameters
    ----------
    label : int or str
        The class: its index from 0, its name, or its WordNet id; see `Class`.
    region : (top, left, bottom, right), optional
        Where the object is, in pixels of the image that the network is fed (that of
        `Network.prepare`, not of the photo). None: anywhere.
    index : int, optional
        Index of the box among those that the network scores, from 0, instead of a region.
    boxes : str, optional
        Name of the output with the boxes, of shape (N, boxes, 4). None: a detector of KerasHub
        decodes its boxes; of others, it is the only other output of that shape.
    format : str, optional
        What these four numbers are, as in ``keras.utils.bounding_boxes``: "xyxy" (left, top, right,
        bottom), "yxyx" (top, left, bottom, right), "xywh" (left, top, width, height), "center_xywh"
        or "center_yxhw" in pixels of the image; with "rel_" in front as fractions of its sides.

    Attributes
    ----------
    place : (top, left, bottom, right) or None
        Where the box is that was chosen for an image, if that is known.

    Raises
    ------
    InputError
        If an argument cannot be used; in a method, also if the network has no such class or box, no
        box overlaps the region, or the boxes cannot be found.
    """

    label: int | str
    region: Place | None = None
    index: int | None = None
    boxes: str | None = None
    format: str | None = None
    place: Place | None = field(default=None, init=False)

    def __init__(
        self,
        label: int | str,
        region: Any = None,
        *,
        index: int | None = None,
        boxes: str | None = None,
        format: str | None = None,
    ) -> None:
        if region is not None and index is not None:
            raise InputError("A box is chosen by region or by index: leave one of them out.")
        if format is not None and format not in FORMATS:
            raise InputError(f"format must be one of {', '.join(FORMATS)}, not {shown(format)}.")
        object.__setattr__(self, "label", Class(label).label)
        object.__setattr__(self, "region", None if region is None else _place(region))
        object.__setattr__(self, "index", None if index is None else whole("index", index, 0))
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "format", format)
        object.__setattr__(self, "place", None)

    def at(self, outputs: Outputs) -> Target:
        """See `Target.at`: the box that is chosen for an image."""
        if self.index is not None:
            return self
        net = outputs.net
        _require_boxes(net)
        index = net.class_index(self.label)
        values = _probabilities(net.head, outputs.logits)[:, index]
        places = None
        if self.region is not None or self.format is not None or decodes(net):
            places = boxes_of(outputs, self.boxes, self.format)
            if len(places) != len(values):
                raise InputError(
                    f"{net.name!r} scores {counted(len(values), 'box', 'boxes')} but returns "
                    f"{len(places)}: choose another output with boxes=…."
                )
        if self.region is not None and places is not None:
            values = values * overlaps(places, self.region)
            if not values.any():
                height, width = outputs.x.shape[1:3]
                raise InputError(
                    f"No box of {net.name!r} overlaps the region {self.region}: give (top, left, "
                    f"bottom, right) in pixels of the image fed, {height}×{width}."
                )
        chosen = int(values.argmax())
        found = Box(self.label, index=chosen, boxes=self.boxes, format=self.format)
        if places is not None:
            object.__setattr__(found, "place", tuple(map(float, places[chosen])))
        return found

    def weights(self, net: Network, size: tuple[int, int], score: str = "logit") -> Weights:
        """See `Target.weights`."""
        _require_boxes(net)
        if self.index is None:
            raise InputError(
                "Which box is best is known only for an image that is explained: choose one by "
                "index=…."
            )
        output = net.score_output(score)
        count = net.shape(output, size)[0]
        if self.index >= count:
            raise InputError(
                f"{net.name!r} scores {counted(count, 'box', 'boxes')}, numbered 0 to {count - 1}: "
                f"{self.index} is out of range."
            )
        vector = Class(self.label).vector(net)
        weights = np.zeros((count, len(vector)), np.float32)
        weights[self.index] = vector
        return {output: weights}

    def outputs(self, net: Network, score: str = "logit") -> tuple[Output, ...]:
        """See `Target.outputs`."""
        return (net.score_output(score),)

    def describe(self, net: Network) -> str:
        """The class, and which box."""
        name = net.labels.numbered_name(net.class_index(self.label))
        if self.index is not None:
            where = "" if self.place is None else f" ({_where(self.place)})"
            return f"{name}, box {self.index}{where}"
        return f"{name}, box at {_where(self.region)}" if self.region else f"{name}, best box"


def _require_boxes(net: Network) -> None:
    if net.head.scores_boxes:
        return
    others = [name for name, shape in net.outputs.items() if len(shape) == len(("N", "boxes", "C"))]
    hint = f', such as output="{others[0]}"' if others else ""
    raise InputError(
        f"{net.name!r} returns an output of shape {net.head.shape}, not scores of boxes (N, boxes, "
        f"classes): open a detector for its class scores{hint}, with output=…."
    )


def _probabilities(head: Head, logits: np.ndarray) -> np.ndarray:
    """(boxes, classes): comparable between boxes, which a softmax of logistic scores is not."""
    if head.kind == "linear":
        return sigmoid(logits.astype(np.float64))
    return head.probabilities(logits)


def _place(region: Any) -> Place:
    """The ``region`` argument as numbers."""
    try:
        top, left, bottom, right = (float(side) for side in region)
    except (TypeError, ValueError):
        top = left = bottom = right = np.nan
    if not (top < bottom and left < right) or not np.isfinite((top, left, bottom, right)).all():
        raise InputError(
            "region must be (top, left, bottom, right) in pixels of the image, top < bottom and "
            f"left < right, not {shown(region)}."
        )
    return top, left, bottom, right


def _where(place: Place) -> str:
    return "rows {0:.0f} to {2:.0f}, columns {1:.0f} to {3:.0f}".format(*place)
