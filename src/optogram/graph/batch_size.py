"""Operations of code that computes with the batch size, such as ``reshape(x, (batch * 4, -1))``.

Such code was traced with a number in place of the batch size; its multiples in shapes and settings
stand for multiples of the batch size.
"""

from copy import copy
from typing import Any

import keras

from optogram.graph.keras_private.copies import view


def opened(tensor: keras.KerasTensor, number: int) -> keras.KerasTensor:
    """The symbol with None for a first axis that is a multiple of ``number``."""
    shape = tuple(tensor.shape)
    if not shape or not _is_multiple(shape[0], number):
        return tensor
    return keras.KerasTensor((None, *shape[1:]), tensor.dtype)


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
        leaves = keras.tree.flatten((args, kwargs))
        firsts = [_first_side(leaf) for leaf in leaves]
        self._place = next(
            (place for place, side in enumerate(firsts) if _is_multiple(side, number)), None
        )
        self._times = 1 if self._place is None else firsts[self._place] // number
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

    @property
    def is_sized(self) -> bool:
        """Whether a tensor that it reads has the batch size."""
        return self._place is not None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run on tensors, one of which has the batch size."""
        read = keras.tree.flatten((args, kwargs))[self._place]
        size = keras.ops.shape(read)[0]
        return self.of(size if self._times == 1 else size // self._times, args, kwargs)

    def of(self, size: Any, args: tuple, kwargs: dict) -> Any:
        """Run on tensors, for a batch of ``size``."""
        args, kwargs = self._sized((args, kwargs), size)
        return self._with(size)(*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Run on symbols, also of unknown batch size."""
        first = _first_side(keras.tree.flatten((args, kwargs))[self._place])
        if first is not None:
            args, kwargs = self._sized((args, kwargs), first // self._times)
            return self._with(first // self._times).compute_output_spec(*args, **kwargs)
        args, kwargs = keras.tree.map_structure(self._closed, (args, kwargs))
        made = self._operation.compute_output_spec(*args, **kwargs)
        return keras.tree.map_structure(lambda symbol: opened(symbol, self._number), made)

    def _closed(self, leaf: Any) -> Any:
        if _first_side(leaf) is None and isinstance(leaf, keras.KerasTensor):
            return keras.KerasTensor((self._number * self._times, *leaf.shape[1:]), leaf.dtype)
        return leaf

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


def _first_side(leaf: Any) -> Any:
    is_symbol = isinstance(leaf, keras.KerasTensor) and leaf.shape
    return leaf.shape[0] if is_symbol else None
