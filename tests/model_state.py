"""All that an explanation could change in a model, and whether it did."""

import keras
import numpy as np
from keras import layers


def operations_of(model):
    found = []
    for operation in getattr(model, "operations", model.layers):
        found.append(operation)
        if isinstance(operation, keras.Model):
            found.extend(operations_of(operation))
    return found


def state(model):
    """All that an explanation could change, by name."""
    every = operations_of(model)
    inner = [operation for operation in every if isinstance(operation, layers.Layer)]
    return {
        "variables": [np.array(keras.ops.convert_to_numpy(v)) for v in model.variables],
        "names": [v.path for v in model.variables],
        "seeds": [
            np.array(keras.ops.convert_to_numpy(layer.seed_generator.state))
            for layer in inner
            if hasattr(layer, "seed_generator")
        ],
        "trainable": [layer.trainable for layer in inner],
        "activations": [getattr(layer, "activation", None) for layer in inner],
        "configurations": [layer.get_config() for layer in inner],
        "identities": [id(operation) for operation in every],
        "inbound": [len(operation._inbound_nodes) for operation in every],
        "outbound": [len(operation._outbound_nodes) for operation in every],
        "losses": [float(keras.ops.convert_to_numpy(loss)) for loss in model.losses],
        "attributes": [sorted(vars(layer)) for layer in inner],
        "gradients": [getattr(v.value, "grad", None) for v in model.variables],
    }


def assert_same(before, after):
    assert before.keys() == after.keys()
    for what, old in before.items():
        assert len(after[what]) == len(old), what
        for one, other in zip(old, after[what], strict=True):
            np.testing.assert_equal(other, one, err_msg=what)
