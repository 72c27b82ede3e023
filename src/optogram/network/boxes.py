"""The boxes of a detector for an image, in pixels."""

from typing import Any

import keras
import numpy as np

from optogram.errors import InputError
from optogram.network.network import Network
from optogram.network.outputs import Outputs
from optogram.pictures.boxes import to_corners

_RANK, _SIDES = 3, 4


def decodes(net: Network) -> bool:
    """Whether the model can decode its boxes itself, as KerasHub's detectors can."""
    parts = ("decode_predictions", "prediction_decoder")
    return all(hasattr(type(net.model), part) for part in parts)


def boxes_of(outputs: Outputs, output: str | None = None, format: str | None = None) -> np.ndarray:
    """(boxes, 4): top, left, bottom and right of the boxes for an image, in its pixels.

    Parameters
    ----------
    outputs : Outputs
        The outputs for the image.
    output : str, optional
        Name of the output with the boxes. None: the model decodes them, or it is the only other
        output of shape (N, boxes, 4).
    format : str, optional
        Its format, one of ``FORMATS``. None: the model decodes them.

    Raises
    ------
    InputError
        If the model cannot decode boxes, and the output or its format are not given or do not fit.
    """
    net, size = outputs.net, outputs.x.shape[1:3]
    if output is None and format is None and decodes(net):
        return _decoded(outputs)
    name = _only(net) if output is None else output
    if format is None:
        raise InputError(
            f"The format of the boxes of {net.name!r} is not known: give it, such as "
            'format="xyxy" for (left, top, right, bottom) in pixels, or choose a box by index=….'
        )
    values = outputs[name]
    if values.ndim != _RANK or values.shape[-1] != _SIDES:
        raise InputError(
            f"The output {name!r} of {net.name!r} has the shape {values.shape[1:]} for an image, "
            "not (boxes, 4): choose the output with boxes=…, or a box by index=…."
        )
    return to_corners(values[0], format, size)


class _Undecided:
    """A detector of KerasHub that decodes boxes in pixels, and leaves none out."""

    bounding_box_format = "yxyx"

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    @property
    def prediction_decoder(self) -> "_Undecided":
        return self

    def __call__(self, boxes: Any, scores: Any, images: Any) -> dict[str, Any]:
        """What would suppress boxes that are not maximal."""
        return {"boxes": boxes}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


class _Tensors:
    """Outputs by name, as tensors of the backend."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs

    def __getitem__(self, name: str) -> Any:
        return keras.ops.convert_to_tensor(self._outputs[name])


def _decoded(outputs: Outputs) -> np.ndarray:
    """The boxes as the model's own ``decode_predictions`` has them, before any is suppressed."""
    model = outputs.net.model
    images = keras.ops.convert_to_tensor(outputs.x)
    # Code of a user's model can raise any exception.
    try:
        made = type(model).decode_predictions(_Undecided(model), _Tensors(outputs), images)
        (boxes,) = keras.ops.convert_to_numpy(made["boxes"])
    except Exception as error:
        raise InputError(
            f"The boxes of {outputs.net.name!r} cannot be decoded ({type(error).__name__}): name "
            'an output with boxes=… and its format=…, such as "xyxy", or choose a box by index=….'
        ) from error
    return np.asarray(boxes, np.float64)


def _only(net: Network) -> str:
    """The name of the only other output that can be boxes."""
    fitting = [
        name
        for name, shape in net.outputs.items()
        if len(shape) == _RANK and shape[-1] == _SIDES and name != net.choices["output"]
    ]
    if len(fitting) != 1:
        among = f"; {', '.join(map(repr, fitting))} could be" if fitting else ""
        raise InputError(
            f"Which output of {net.name!r} has the boxes is not known{among}: name one of shape "
            "(N, boxes, 4) with boxes=…, or choose a box by index=…."
        )
    return fitting[0]
