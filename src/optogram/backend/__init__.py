"""The three libraries that compute for Keras, behind one contract.

Each of ``tensorflow.py``, ``jax.py`` and ``torch.py`` in this room offers the same names; tensors
are the backend's own, and every function is called under Keras's current backend.

``NAME``
    The backend's name, as Keras writes it.
``to_tensor(array)``
    A NumPy array as a tensor of the same type; JAX keeps 32 of 64 bits.
``to_array(tensor)``
    A tensor as a NumPy array; half-precision floats become float32.
``compile(function, variables, batched=0)``
    ``function`` (tensors -> tensors, in any nesting of lists and tuples) made as fast as the
    backend can: a `Program`. It may read the Keras ``variables``, whose current values it sees at
    every call, and can write to none. The first ``batched`` tensors are batches: what is computed
    of one image is the same, bit for bit, whatever lengths it was called with before.
``signature(tensors)``
    Programs are kept one for each signature of their arguments: their shapes and types where the
    backend compiles each anew, the same for all where one compilation serves any.
``gradient(function)``
    For ``function(at, *others) -> (scores, extras)`` with scores of shape (T, N): a function of
    the same arguments that returns ``(gradients, extras)``, where ``gradients[t]`` is
    ``d sum(scores[t]) / d at``. The function is run once, whatever T is; the way back goes from
    the scores to ``at`` and nowhere else; where there is no path, the gradient is zero. To be
    used inside ``compile``.
``inverse_fft2(real, imaginary, size)``
    The real arrays (..., height, width) of ``size`` whose spectra, as of ``numpy.fft.rfft2``, are
    ``real + 1j * imaginary``, both (..., height, width // 2 + 1).
``free_memory()``
    Bytes free on the device that computes; None where it computes in the machine's own memory.
``longest_loop()``
    How many rounds of a loop one compiled program shall hold, at most.
``most_shapes()``
    For how many shapes of its arguments it pays to have one program compiled.
``gather(table, places)``
    The rows ``table[places]`` of a tensor (rows, C), for int32 places (...), all within it.
``pass_positive(tensor)``
    The same tensor, through which only the positive part of a gradient comes back.
``faster(layer)``
    A callable that computes what the Keras ``layer`` does, where the backend's own way is slow on
    the machine at hand; None where it is not. It reads the layer's variables when it is called.
``unpadded(layer)``
    As ``faster``, for a ``layer`` that pads nothing and is run forwards only.
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
    """A function that a backend has compiled, or will at its first call; for any thread.

    Parameters
    ----------
    ready : callable
        What `ready` is.
    """

    def __init__(self, ready: Callable[[Sequence[Any], Sequence[Any] | None], Any]) -> None:
        self._ready = ready

    def ready(self, *tensors: Any, weights: Sequence[Any] | None = None) -> Callable[[], Any]:
        """Trace and compile what is still to be compiled for ``tensors``; what returns computes.

        ``weights``, tensors in the order of the program's variables, stand in for what the
        variables hold; None leaves them as they are.
        """
        ready: Callable[[], Any] = self._ready(tensors, weights)
        return ready

    def __call__(self, *tensors: Any, weights: Sequence[Any] | None = None) -> Any:
        """What the function makes of ``tensors``."""
        return self.ready(*tensors, weights=weights)()


def title(name: str) -> str:
    """How the backend called ``name`` by Keras is written in prose."""
    return _TITLES.get(name, name)


def is_installed(name: str) -> bool:
    """Whether the backend called ``name`` can be imported (it is not imported)."""
    return importlib.util.find_spec(name) is not None


def configured() -> str:
    """The backend that Keras has taken or would take: KERAS_BACKEND, keras.json, TensorFlow."""
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
    """Make Keras take an installed backend where the configured one is missing.

    For programs that own their process, before Keras is imported: it sets KERAS_BACKEND.

    Returns
    -------
    str or None
        A sentence that says what was taken instead; None where nothing had to change.
    """
    wanted = configured()
    if "keras" in sys.modules or wanted not in NAMES or is_installed(wanted):
        return None
    for name in NAMES:
        if is_installed(name):
            os.environ["KERAS_BACKEND"] = name
            return f"{title(wanted)} is not installed: computing with {title(name)} instead."
    return None


def current() -> ModuleType:
    """The module of this room that serves Keras's backend.

    Raises
    ------
    BackendError
        If that backend is not installed, or cannot compute gradients.
    """
    name = configured()
    if name not in NAMES:
        raise BackendError(
            f"Keras is set to the backend {name!r}, which computes no gradients: "
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
