"""Operations of code that computes with the batch size, such as ``reshape(x, (batch * 4, -1))``.

Such code was traced with a number in place of the batch size; its multiples in shapes and settings
stand for multiples of the batch size.
"""

from copy import copy
from typing import Any

import keras

from optogram.graph.keras_private.copies import view


def opened(tensor: keras.KerasTensor, number: int) -> keras.KerasTensor:
    """The symbol with None for axes that are multiples of ``number``."""
    sides = [None if _is_multiple(side, number) else side for side in tensor.shape]
    return tensor if sides == list(tensor.shape) else keras.KerasTensor(sides, tensor.dtype)


class OfBatch:
    """Runs an operation with multiples of the batch size in its settings.

    Parameters
    ----------
    operation : callable
        A Keras operation or layer.
    number : int
        What stands for the batch size.
    args, kwargs : tuple and dict
        The symbolic arguments of the call.
    """

    def __init__(self, operation: Any, number: int, args: tuple, kwargs: dict) -> None:
        self._operation, self._number = operation, number
        self._sides = [
            {
                axis: side // number
                for axis, side in enumerate(leaf.shape)
                if _is_multiple(side, number)
            }
            if isinstance(leaf, keras.KerasTensor) and None not in leaf.shape
            else {}
            for leaf in keras.tree.flatten((args, kwargs))
        ]
        """Of each argument, the axes that have the batch size, and how many times."""
        settings = getattr(operation, "__dict__", {})
        self._settings = {
            name: value
            for name, value in settings.items()
            if not name.startswith("_") and _has_multiple(value, number)
        }
        self._is_told = _has_multiple((args, kwargs), number)

    @property
    def is_needed(self) -> bool:
        """Whether the operation depends on the batch size beside what it reads."""
        return bool(self._settings) or self._is_told

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run on tensors, one of which has the batch size."""
        read = keras.tree.flatten((args, kwargs))
        place, axis, times = self._first()
        size = keras.ops.shape(read[place])[axis]
        return self.of(size if times == 1 else size // times, args, kwargs)

    def _first(self) -> tuple[int, int, int]:
        """The place of an argument, its axis that has the batch size, and how many times."""
        return next(
            (place, axis, times)
            for place, sides in enumerate(self._sides)
            for axis, times in sides.items()
        )

    def of(self, size: Any, args: tuple, kwargs: dict) -> Any:
        """Run on tensors, for a batch of ``size``."""
        args, kwargs = self._sized((args, kwargs), size)
        return self._with(size)(*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Run on symbols, also of unknown batch size."""
        leaves = keras.tree.flatten((args, kwargs))
        place, axis, times = self._first()
        side = leaves[place].shape[axis]
        if side is not None:
            args, kwargs = self._sized((args, kwargs), side // times)
            return self._with(side // times).compute_output_spec(*args, **kwargs)
        closed = [self._closed(*each) for each in zip(leaves, self._sides, strict=True)]
        args, kwargs = keras.tree.pack_sequence_as((args, kwargs), closed)
        made = self._operation.compute_output_spec(*args, **kwargs)
        return keras.tree.map_structure(lambda symbol: opened(symbol, self._number), made)

    def _closed(self, leaf: Any, sides: dict[int, int]) -> Any:
        """``leaf`` with a number for the batch size."""
        if not sides:
            return leaf
        shape = list(leaf.shape)
        for axis, times in sides.items():
            shape[axis] = self._number * times
        return keras.KerasTensor(shape, leaf.dtype)

    def _with(self, size: Any) -> Any:
        """The operation with its settings for a batch of ``size``."""
        other = {name: self._sized(value, size) for name, value in self._settings.items()}
        if not other:
            return self._operation
        if isinstance(self._operation, keras.Layer):
            return view(self._operation, **other)
        found = copy(self._operation)
        vars(found).update(other)
        return found

    def _sized(self, structure: Any, size: Any) -> Any:
        number = self._number
        return keras.tree.map_structure(
            lambda leaf: leaf // number * size if _is_multiple(leaf, number) else leaf, structure
        )


def _is_multiple(leaf: Any, number: int) -> bool:
    return isinstance(leaf, int) and leaf != 0 and leaf % number == 0


def _has_multiple(structure: Any, number: int) -> bool:
    return any(_is_multiple(leaf, number) for leaf in keras.tree.flatten(structure))
