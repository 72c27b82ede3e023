"""Rules for running steps on windows instead of whole maps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from optogram import backend
from optogram.graph.keras_private.copies import view
from optogram.graph.mixing import depends_on_place
from optogram.graph.steps import Shape, Step
from optogram.interpreters.forward import outside_training
from optogram.interpreters.reach import POINT, Reach, reach


@dataclass(frozen=True)
class Rule:
    """A rule for running a step on windows.

    Attributes
    ----------
    reach : pair of Reach
        Elements that its output depends on, along rows and columns.
    run : callable, or None
        Run on padded input windows. None: the step only moves elements.
    fill : float
        Value outside the border.
    divides : bool
        Whether it takes means, without elements outside the border.
    layer : keras.Layer, optional
        The layer that ``run`` runs, without padding.
    """

    reach: tuple[Reach, Reach]
    run: Callable[..., Any] | None
    fill: float = 0.0
    divides: bool = False
    layer: keras.Layer | None = None


def rule(step: Step, read: Sequence[Shape], made: Shape) -> Rule | None:
    """The rule for ``step``; None if it has to be run on whole maps."""
    reaches = reach(step, read, made) if len(step.shapes) == 1 else None
    if reaches is None:
        return None
    if step.passes_on:
        return Rule(POINT, None)
    if _is_somebody_elses(step) or step.kwargs.get("training"):
        return None
    layer = step.operation
    if isinstance(layer, keras.layers.ZeroPadding2D | keras.layers.Cropping2D):
        return Rule(reaches, None) if is_channels_last(step) else None
    if isinstance(layer, keras.layers.UpSampling2D):
        return Rule(reaches, None) if is_channels_last(step) else None
    if reaches == POINT and (step.half == "activation" or not hasattr(layer, "padding")):
        return None if depends_on_place(step) else Rule(POINT, step.run)
    if isinstance(layer, keras.layers.Conv2DTranspose) or not is_channels_last(step):
        return None
    unpadded = view(step.run if isinstance(step.run, keras.Layer) else layer, padding="valid")
    faster = backend.current().unpadded(unpadded)
    run = unpadded if faster is None else outside_training(faster)
    if isinstance(layer, keras.layers.MaxPooling2D):
        return Rule(reaches, run, fill=-np.inf)
    if isinstance(layer, keras.layers.AveragePooling2D) and layer.padding == "same":
        # Backends differ in asymmetric padding.
        is_even = all(along.first == -along.last for along in reaches)
        return Rule(reaches, run, divides=True) if is_even else None
    return Rule(reaches, run, layer=unpadded)


def _is_somebody_elses(step: Step) -> bool:
    """Whether the operation has a custom class, which may override parts of Keras."""
    return not all(str(op.__module__).startswith("keras.") for op in step.applied)


def is_channels_last(step: Step) -> bool:
    """Whether the step runs on channels-last tensors."""
    if isinstance(step.run, keras.Layer):
        return getattr(step.run, "data_format", None) == "channels_last"
    return getattr(step.operation, "data_format", None) == "channels_last"
