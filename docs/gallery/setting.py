"""What the scripts of the gallery share: how much they do, and whose weights they take.

``OPTOGRAM_GALLERY=quick`` makes them do less. ``OPTOGRAM_WEIGHTS`` says which weights the networks
of keras.applications get: "imagenet" (downloaded by Keras once) unless it is set to "random".
"""

import contextlib
import io
import os

import keras

import optogram as og

QUICK = os.environ.get("OPTOGRAM_GALLERY") == "quick"
WEIGHTS = os.environ.get("OPTOGRAM_WEIGHTS", "imagenet")


def either(full, quick, what: str):
    """``full``, or ``quick`` where the gallery is to be quick; says which."""
    chosen = quick if QUICK else full
    print(f"{what}: {chosen}" + (f" (quick; in full {full})" if QUICK else ""))
    return chosen


def network(name: str) -> og.Network:
    """A network of keras.applications, with random weights where ImageNet's cannot be had."""
    if WEIGHTS == "imagenet":
        # Keras prints what it downloads.
        with contextlib.suppress(og.ModelError), contextlib.redirect_stdout(io.StringIO()):
            return og.load(name)
        print(f"The ImageNet weights of {name} are not at hand.")
    print(f"{name} with random weights: its pictures mean nothing.")
    keras.utils.set_random_seed(0)
    return og.load(name, weights=None)
