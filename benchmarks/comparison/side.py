"""What a side gives to the process that times it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Opened:
    """A network, opened by a side.

    Attributes
    ----------
    probabilities : callable
        Probabilities of the classes for the first photo, compared before anything is timed.
    tasks : dict of str to callable
        For each task that the side has: a function that runs it and returns an array; maps are
        ``(..., height, width)`` or ``(..., height, width, channels)``.
    """

    probabilities: Callable[[], np.ndarray]
    tasks: dict[str, Callable[[], Any]]


@dataclass(frozen=True)
class Given:
    """The files of a network, see ``networks.py``.

    Attributes
    ----------
    model : Path
        The Keras file.
    weights : list of ndarray
        In the order of `keras.Model.get_weights`.
    photos : ndarray
        ``(8, 224, 224, 3)``, as the network reads them.
    layer : str
        The layer whose maps are asked for.
    label : int
        The class that is explained.
    """

    model: Path
    weights: list[np.ndarray]
    photos: np.ndarray
    layer: str
    label: int
