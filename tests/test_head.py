"""How networks end: ``network/head.py``, with ``ending.py``, ``bounds.py`` and ``outputs.py``."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import endings
import optogram as og

# Rounding of the types of numbers that some endings go through.
TOLERANCE = {"cast": 3e-3, "float16": 3e-3, "logits in bfloat16": 2e-2, "last layer in float16": 3e-3}
ONE_AN_ENDING = np.random.default_rng(0)


def cases():
    """Every ending once, with classes and a form drawn for it."""
    for kind, table in endings.KINDS.items():
        for name in table:
            classes = 2 if name == "no and yes" else int(ONE_AN_ENDING.choice([1, 2, 5], p=[0.2, 0.3, 0.5]))
            yield kind, name, classes, str(ONE_AN_ENDING.choice(endings.FORMS))


def pictures():
    return np.random.default_rng(3).uniform(0, 1, (3, endings.SIDE, endings.SIDE, 3)).astype("float32")


def opened(kind, name, classes, form="functional"):
    """The opened network, and what its model answers for `pictures`."""
    model = endings.build(kind, name, classes, form)
    output = "answer" if form == "one of two outputs" else None
    return og.Network(model, "unit", output=output), endings.answers(model, pictures())


def check(kind, name, classes, form):
    """Assert that a network says of its classes what its model does."""
    net, expected = opened(kind, name, classes, form)
    scores, within = net.scores(pictures()), TOLERANCE.get(name, 2e-5)
    if kind == "linear":
        assert (net.head.kind, net.head.is_hidden) == ("linear", False)
        np.testing.assert_allclose(scores, expected, rtol=within, atol=within)
        return
    if net.head.is_binary:
        expected = np.hstack([1 - expected, expected])
    np.testing.assert_allclose(net.head.probabilities(scores), expected, atol=within)
    named = [[found.probability for found in sorted(row)] for row in net.predict(pictures(), top=9)]
    np.testing.assert_allclose(named, expected, atol=within)
    if classes > 1:
        # Keras's sparsemax of several rows does not add up to 1, nor does what is clipped.
        is_each = kind == "sigmoid" or not np.allclose(expected.sum(axis=1), 1, atol=0.01)
        assert net.head.kind == ("sigmoid" if is_each else "softmax")


@pytest.mark.parametrize(("kind", "name", "classes", "form"), cases())
def test_a_network_says_of_its_classes_what_its_model_does(kind, name, classes, form):
    check(kind, name, classes, form)
