"""Live interventions: class probabilities with changed channels of one image, in milliseconds."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.interpreters.edited import Edited
from optogram.interpreters.kept import Kept
from optogram.methods.intervening.changes import Change, read_changes, require_effect
from optogram.network.network import Network

_KEPT = 8
"""Sets of changed layers, at most, for which the outputs that do not change are kept."""
_BYTES = 4
"""Bytes of a number in a map."""


class InterventionProbe:
    """Scores of one image with changed channels; created by `intervention_probe`.

    Attributes
    ----------
    scores : ndarray of shape (outputs,)
        Logits without a change; (h, w, classes) for a network that scores every position.
    probabilities : ndarray of shape (classes,)
        Class probabilities without a change; (h, w, classes) as above.
    """

    def __init__(self, net: Network, x: np.ndarray) -> None:
        self._net, self._x = net, x
        self._prepared: Kept[tuple[Edited, list[Any]]] = Kept(_KEPT)
        (logits,) = net.evaluate(x, [net.head.logits])
        self.scores = logits[0]
        self.probabilities = net.head.probabilities(logits)[0].astype(np.float32)

    @property
    def nbytes(self) -> int:
        """Approximate number of bytes that the probe holds now."""
        kept = (tensor for _, base in self._prepared for tensor in base)
        return int(self._x.nbytes) + sum(math.prod(tensor.shape) * _BYTES for tensor in kept)

    @checked
    def __call__(
        self,
        changes: Mapping[Any, float | Change],
        of: Literal["probabilities", "scores"] = "probabilities",
    ) -> np.ndarray:
        """The class probabilities, or the logits, with the changes.

        The first call with some layers takes a forward pass and compiles the pass from them to the
        scores. Further calls with the same layers, whatever the channels and values, take that pass
        only. May be called from many threads.

        Parameters
        ----------
        changes : mapping
            See `intervene`.
        of : {"probabilities", "scores"}
            What is returned; scores are logits.

        Returns
        -------
        ndarray, float32
            In the shape of the attribute `probabilities` or `scores`.

        Raises
        ------
        InputError
            As `intervene`.
        """
        net, read = self._net, read_changes(self._net, changes)
        layers = tuple(read.factors)

        def prepare() -> tuple[Edited, list[Any]]:
            edited = Edited(net, layers, [net.head.logits])
            require_effect(net, edited.unread)
            return edited, edited.base(self._x)

        edited, base = self._prepared.get(layers, prepare)
        (logits,) = edited.run(base, read.factors)
        if of == "scores":
            return logits[0]
        probabilities: np.ndarray = net.head.probabilities(logits)[0].astype(np.float32)
        return probabilities


@checked
def intervention_probe(net: Network, image: Any, *, fit: str | None = None) -> InterventionProbe:
    """Class probabilities with changed channels: ``intervention_probe(net, image)(changes)``.

    Made for live use, such as a slider: the outputs of layers that do not change are kept, and
    only what follows the changed layers is computed.

    Parameters
    ----------
    net : Network
        The network.
    image
        One image, as for `Network.prepare`.
    fit : {"stretch", "crop", "pad"}, optional
        See `Network.prepare`.

    Returns
    -------
    InterventionProbe
        A callable: given ``{og.Filter(layer, channel): value}`` as for `intervene`, it returns the
        class probabilities, (classes,); with ``of="scores"``, the logits.

    Raises
    ------
    InputError
        If there are several images, or the image cannot be used.
    """
    x = np.asarray(net.fed(image, fit))
    if len(x) > 1:
        raise InputError(f"Expected one image, got {len(x)}: create one probe for each.")
    return InterventionProbe(net, x)
