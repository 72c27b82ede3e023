"""The three backends of Keras, behind one contract.

Each of ``tensorflow.py``, ``jax.py`` and ``torch.py`` has the same names. Tensors are those of the
backend, and every function is called with this backend as Keras's current one.

``NAME``
    The name of the backend in Keras.
``to_tensor(array)``
    A NumPy array as a tensor of the same dtype; JAX converts 64 bits to 32.
``to_array(tensor)``
    A tensor as a NumPy array; half-precision floats become float32.
``compile(function, variables, batched=())``
    ``function`` (tensors -> tensors, in any nesting of lists and tuples), compiled if the backend
    compiles: a `Program`. It may read the current values of the Keras ``variables``, but not write
    to them. The tensors at the positions ``batched`` are batches: results for one image are the
    same, bit for bit, whatever batch sizes were used before.
``direct(function, variables, batched=())``
    As ``compile``, for a program that is run once or a few times: without compiling, where the
    backend runs single operations well.
``signature(tensors)``
    The key under which programs are cached: shapes and dtypes if the backend compiles for each,
    the same for all arguments if one compilation is enough.
``gradient(function)``
    For ``function(at, *others) -> (scores, extras)`` with scores of shape (T, N): a function of
    the same arguments that returns ``(gradients, extras)``, where ``gradients[t]`` is
    ``d sum(scores[t]) / d at``. The function is run once, whatever T is; the backward pass
    goes only from the scores to ``at``; without a path, the gradient is 0. If ``at`` is a list of
    tensors, ``gradients`` is a list, from one backward pass. Used inside ``compile``.
``pullback(function, at)``
    For ``function``, of a list of tensors, that returns a list of tensors: ``(made, back)``.
    ``made`` is ``function(at)``; ``back(seeds)``, to be called once, with a seed of the shape of
    each, is the gradient of ``sum(made · seeds)`` by each of ``at``; without a path, 0. Used inside
    ``compile``.
``inverse_fft2(real, imaginary, size)``
    The real arrays (..., height, width) of ``size`` whose spectra, as of ``numpy.fft.rfft2``, are
    ``real + 1j * imaginary``, both (..., height, width // 2 + 1).
``free_memory()``
    Free bytes on the device; None if the backend uses main memory.
``bfloat16_gain()``
    How many times faster a large product is in bfloat16 than in float32, at least 1.
``longest_loop()``
    Maximum number of loop iterations in one compiled program.
``most_shapes()``
    Number of argument shapes for which compiling one program is worthwhile.
``gather(table, places)``
    The rows ``table[places]`` of a tensor (rows, C), for valid int32 indices (...).
``fused(function)``
    ``function`` (tensors -> tensors), for use inside ``compile``: its elementwise operations,
    reductions and gathers run in few loops, even if the backend runs others one by one.
``pass_positive(tensor)``
    The identity; its backward pass keeps only the positive part of the gradient.
``faster(layer)``
    A faster equivalent of the Keras ``layer``, if the backend is slow on this machine; otherwise
    None. It reads the variables of the layer when it is called. A ``SeparableConv2D`` may have an
    attribute ``product_dtype``: only its product is computed, and returned, in that dtype.
``unpadded(layer)``
    As ``faster``, for a ``layer`` without padding, in forward passes only.
``merged(layer, normalization, rectifier)``
    One operation that does what the convolution ``layer``, the batch ``normalization`` after it, in
    inference, and the ``rectifier`` after these do, if that is faster; otherwise None. One of the
    latter may be None. Without a normalization, results are the same, bit for bit. It reads the
    variables of the layers when it is called; gradients go through it as usual.
``folding_saves()``
    The share of a normalization's estimated time that folding it saves, in 0…1.
``overwriting(operation)``
    An equivalent of a rectifier that overwrites its input, if that is faster; otherwise None.
    ``operation`` is a Keras function or layer; gradients go through it as usual.
"""

import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from optogram.errors import BackendError

NAMES = ("tensorflow", "jax", "torch")
_TITLES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


class Program:
    """A function compiled by a backend, or to be compiled on its first call; thread-safe.

    Parameters
    ----------
    ready : callable
        The implementation of `ready`.
    """

    def __init__(self, ready: Callable[[Sequence[Any], Sequence[Any] | None], Any]) -> None:
        self._ready = ready

    def ready(self, *tensors: Any, weights: Sequence[Any] | None = None) -> Callable[[], Any]:
        """Trace and compile for ``tensors``, if necessary; return a function that computes.

        ``weights``, tensors in the order of the program's variables, replace the values of the
        variables. None: their current values.
        """
        ready: Callable[[], Any] = self._ready(tensors, weights)
        return ready

    def __call__(self, *tensors: Any, weights: Sequence[Any] | None = None) -> Any:
        """The result of the function for ``tensors``."""
        return self.ready(*tensors, weights=weights)()


def title(name: str) -> str:
    """The proper name of the backend that Keras calls ``name``."""
    return _TITLES.get(name, name)


def is_installed(name: str) -> bool:
    """Whether the backend ``name`` can be imported, without importing it."""
    return importlib.util.find_spec(name) is not None


def configured() -> str:
    """The backend of Keras, present or future: KERAS_BACKEND, keras.json, TensorFlow."""
    if "keras" in sys.modules:
        return sys.modules["keras"].config.backend()
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"]
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        settings = json.loads((home / "keras.json").read_text(encoding="utf-8"))
        return str(settings.get("backend", "tensorflow"))
    except (OSError, ValueError, AttributeError):
        return "tensorflow"


def fall_back() -> str | None:
    """Select an installed backend if the configured one is missing.

    For applications, before Keras is imported: it sets KERAS_BACKEND.

    Returns
    -------
    str or None
        A sentence about the selected backend; None if nothing was changed.
    """
    wanted = configured()
    if "keras" in sys.modules or wanted not in NAMES or is_installed(wanted):
        return None
    for name in NAMES:
        if is_installed(name):
            os.environ["KERAS_BACKEND"] = name
            return f"{title(wanted)} is not installed: using {title(name)} instead."
    return None


def current() -> ModuleType:
    """The module for the current backend of Keras.

    Raises
    ------
    BackendError
        If that backend is not installed, or cannot compute gradients.
    """
    name = configured()
    if name not in NAMES:
        raise BackendError(
            f"Keras is set to the backend {name!r}, which cannot compute gradients: "
            f"set KERAS_BACKEND to one of {', '.join(NAMES)}."
        )
    if not is_installed(name):
        others = [other for other in NAMES if is_installed(other)]
        use = f", or set KERAS_BACKEND={others[0]}, which is installed" if others else ""
        raise BackendError(
            f"Keras is set to the backend {name!r}, which is not installed: "
            f'run pip install "optogram[{name}]"{use}.'
        )
    return importlib.import_module(f"optogram.backend.{name}")
