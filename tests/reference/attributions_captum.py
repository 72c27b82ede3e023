"""Attributions by Captum, on a PyTorch mirror of a Keras network.

``python tests/reference/attributions_captum.py`` compares optogram with it on the network of
``cam_networks.py``, see ``peers.py``; with ``--write`` it stores what Captum finds, which the tests
read. It needs Captum 0.9.0 (``pip install captum --no-deps``), and Keras on PyTorch.

Captum's conductance takes gradients at the beginning of intervals, not in their middle, so both
take many. GradientShap has no noise on the image here. Its points and baselines are random, and so
are the subsets of KernelShap, which are all drawn more than once.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from captum import attr as other

sys.path.insert(0, str(Path(__file__).parents[1]))

from mirrored import mirror

import peers
from cam_networks import TARGETS, images, network

DRAWN = 20_000


def first_channels(array):
    """As a tensor with channels first."""
    return torch.tensor(np.moveaxis(array, -1, 1)).contiguous()


def last_channels(tensor):
    """As an array with channels last."""
    return np.moveaxis(tensor.detach().numpy(), 1, -1)


def by_captum():
    """All that `peers.as_captum` finds."""
    model, x = mirror(), first_channels(images())
    layer = model[1]
    asked = {"target": torch.tensor(TARGETS)}
    segments = {"feature_mask": torch.tensor(peers.segments())[None, None]}
    patch = (3, *peers.CAPTUM_PATCH)
    torch.manual_seed(0)
    points = {"n_steps": 20, "method": "riemann_middle"}
    found = {
        "Saliency": other.Saliency(model).attribute(x, abs=False, **asked),
        "InputXGradient": other.InputXGradient(model).attribute(x, **asked),
        "Deconvolution": other.Deconvolution(model).attribute(x, **asked),
        "GuidedBackprop": other.GuidedBackprop(model).attribute(x, **asked),
        "GuidedGradCam": other.GuidedGradCam(model, layer).attribute(
            x, interpolate_mode="bilinear", **asked
        ),
        "IntegratedGradients": other.IntegratedGradients(model).attribute(x, **points, **asked),
        "GradientShap": other.GradientShap(model).attribute(
            x, first_channels(peers.baselines()), n_samples=DRAWN // 4, stdevs=0.0, **asked
        ),
    }
    found = {name: last_channels(tensor) for name, tensor in found.items()}
    conductance = other.LayerConductance(model, layer).attribute(x, n_steps=512, **asked)
    cam = other.LayerGradCam(model, layer).attribute(x, **asked)
    occluded = other.Occlusion(model).attribute(x, patch, strides=patch, **asked)
    found |= {
        "LayerGradCam": cam.detach().numpy()[:, 0],
        "LayerConductance": conductance.detach().numpy().sum(axis=1),
        "LayerConductance, channels": conductance.detach().numpy().sum(axis=(2, 3)),
        "Occlusion": occluded.numpy()[:, 0, :: patch[1], :: patch[2]],
    }
    for name, options in (
        ("ShapleyValues", {}),
        ("KernelShap", {"n_samples": DRAWN, "perturbations_per_eval": 500}),
    ):
        rows = []
        for one, target in zip(x, TARGETS, strict=True):
            method = getattr(other, name)(model)
            made = method.attribute(one[None], target=target, **segments, **options)[0, 0].numpy()
            rows.append([made[peers.segments() == segment].mean() for segment in range(6)])
        found[name] = np.array(rows, np.float32)
    return found


def main():
    """Compare, and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    found, expected = peers.as_captum(network()), by_captum()
    for name, array in expected.items():
        share = np.abs(found[name] - array).max() / np.ptp(array)
        like = np.corrcoef(found[name].ravel(), array.ravel())[0, 1]
        print(f"{name:26} differs by {share:.1e} of the range, correlation {like:.5f}", flush=True)
    if asked.write:
        np.savez_compressed(Path(__file__).with_suffix(".npz"), **expected)


if __name__ == "__main__":
    main()
