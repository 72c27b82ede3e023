"""What results of relevance propagation have in common."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.interpreters.relevance.run import Relevances


def relevance_fields(found: Relevances, layers: Sequence[str]) -> dict[str, Any]:
    """The fields of a `Relevance` about its steps, and about the ``layers`` it was asked at."""
    nothing = np.zeros((len(found.image), 0), np.float32)
    at = [array.reshape(len(array), -1) for array in found.at]
    return {
        "step_names": tuple(account.step.name for account in found.accounts),
        "rules": tuple(account.rule for account in found.accounts),
        "step_sums": found.sums,
        "layers": tuple(layers),
        "layer_shapes": np.array([_sides(array) for array in found.at], int).reshape(-1, 3),
        "layer_values": np.concatenate([nothing, *at], axis=1),
    }


def _sides(relevance: np.ndarray) -> tuple[int, ...]:
    """Height, width and channels; height and width are 0 for vectors."""
    return (0,) * (4 - relevance.ndim) + relevance.shape[1:]
