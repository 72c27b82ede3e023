"""Attributions are those that Xplique and Captum compute on the same weights."""

from pathlib import Path

import numpy as np
import pytest

import cam_networks
import peers

BOUND = 2e-5
"""Largest difference ÷ range of what is the same numbers."""
NEAR = {
    "xplique": {
        "IntegratedGradients": 1e-2,  # trapezoids and midpoints
        "Rise": 8e-2,  # the masks of both are random
    },
    "captum": {
        "LayerConductance": 2e-3,  # gradients at the beginning and in the middle of intervals
        "LayerConductance, channels": 2e-3,
        "GradientShap": 4e-2,  # the points of both are random
        "KernelShap": 3e-2,  # Captum's subsets are random
    },
}
"""… and of what has the same limit."""


def stored(name):
    return np.load(Path(__file__).parent / "reference" / f"attributions_{name}.npz")


@pytest.mark.parametrize(
    ("name", "network", "explained"),
    [
        ("xplique", peers.xplique_network, peers.as_xplique),
        ("captum", cam_networks.network, peers.as_captum),
    ],
)
def test_attributions_are_those_of(name, network, explained):
    """Stored by ``tests/reference/attributions_….py``, which says what is compared."""
    expected, found = stored(name), explained(network())
    assert set(found) == set(expected.files)
    for method, own in found.items():
        array, bound = expected[method], NEAR[name].get(method, BOUND)
        assert own.shape == array.shape and np.ptp(array, axis=tuple(range(1, array.ndim))).all()
        atol = bound * np.ptp(array)
        np.testing.assert_allclose(own, array, rtol=0, atol=atol, err_msg=method)
