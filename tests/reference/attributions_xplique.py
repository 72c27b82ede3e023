"""Attributions by Xplique, on the same Keras model.

``KERAS_BACKEND=tensorflow python tests/reference/attributions_xplique.py`` compares optogram with
it on a small network, see ``peers.py``; with ``--write`` it stores what Xplique finds, which the
tests read. It needs Xplique 2.0.2, which runs with Keras 3.15 and TensorFlow 2.21, though it asks
for TensorFlow 2.20.

Before anything is resized: Grad-CAM in the size of the layer, Sobol indices as cells of the grid.
The masks of Sobol are those of optogram, given to Xplique as a sampler; RISE's are its own.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import xplique.attributions as other
from scipy.stats import qmc
from xplique.attributions.global_sensitivity_analysis.replicated_designs import ReplicatedSampler

sys.path.insert(0, str(Path(__file__).parents[1]))

import lrp_networks
import peers

MASKS = 20_000


class Scrambled(ReplicatedSampler):
    """The scrambled Sobol sequence of `og.sobol` with seed 0."""

    def __call__(self, dimension, nb_design):
        """A, B, and A with each cell of B."""
        points = qmc.Sobol(2 * dimension, seed=np.random.default_rng(0))
        points = tf.constant(points.random(nb_design), tf.float32)
        first, second = points[:, :dimension], points[:, dimension:]
        mixed = self.build_replicated_design(first, second)
        return tf.concat([first, second, mixed], axis=0)


def by_xplique(model):
    """All that `peers.as_xplique` finds."""
    x = lrp_networks.images()
    y = np.eye(model.output_shape[1], dtype=np.float32)[peers.XPLIQUE_TARGETS]
    plain = {"reducer": None}
    cam = other.GradCAM(model, conv_layer=peers.XPLIQUE_LAYER)
    maps, gradients = cam._gradient(tf.constant(x), tf.constant(y))
    tf.random.set_seed(0)
    patch, grid = (4, 2), peers.GRID
    sobol = other.SobolAttributionMethod(
        model, grid_size=grid, nb_design=peers.ROWS, sampler=Scrambled()
    )
    cells = []

    def kept(*arguments, estimate=sobol.estimator):
        cells.append(np.asarray(estimate(*arguments)).reshape(grid, grid))
        return estimate(*arguments)

    sobol.estimator = kept
    sobol(x, y)
    made = {
        "Saliency": other.Saliency(model, **plain),
        "GradientInput": other.GradientInput(model, **plain),
        "IntegratedGradients": other.IntegratedGradients(model, steps=513, **plain),
        "GuidedBackprop": other.GuidedBackprop(model, **plain),
        "DeconvNet": other.DeconvNet(model, **plain),
        "Occlusion": other.Occlusion(model, patch_size=patch, patch_stride=patch),
        "Rise": other.Rise(model, nb_samples=MASKS, grid_size=grid),
    }
    found = {name: np.asarray(method(x, y)) for name, method in made.items()}
    found["Occlusion"] = found["Occlusion"][:, :: patch[0], :: patch[1], 0]
    found["Rise"] = found["Rise"][..., 0] - found["Rise"].mean(axis=(1, 2))[..., None]
    found["GradCAM"] = np.asarray(cam._apply_weights(cam._compute_weights(gradients, maps), maps))
    found["SobolAttributionMethod"] = np.stack([one / one.sum() for one in cells])
    return found


def main():
    """Compare, and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    net = peers.xplique_network()
    found, expected = peers.as_xplique(net), by_xplique(net.model)
    for name, array in expected.items():
        share = np.abs(found[name] - array).max() / np.ptp(array)
        like = np.corrcoef(found[name].ravel(), array.ravel())[0, 1]
        print(f"{name:24} differs by {share:.1e} of the range, correlation {like:.5f}", flush=True)
    if asked.write:
        np.savez_compressed(Path(__file__).with_suffix(".npz"), **expected)


if __name__ == "__main__":
    main()
