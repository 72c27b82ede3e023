"""Class activation maps by pytorch-grad-cam, on a PyTorch mirror of a Keras network.

``python tests/reference/cams_pytorch_grad_cam.py`` compares optogram with it on the network of
``cam_networks.py``; with ``--write`` it stores what pytorch-grad-cam finds, which the tests read.
It needs grad-cam 1.5.7 with opencv, ttach and tqdm, and Keras on PyTorch.

Two things are compared as pytorch-grad-cam computes them: Eigen-CAM of centered maps (up to the
sign, which it leaves open), and what each step contributes to FullGrad, since it scales every
channel by itself.
"""

import argparse
import importlib.util
import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

if importlib.util.find_spec("torchvision") is None:
    # pytorch-grad-cam names it, and does not use it for these methods.
    names = ("", ".transforms", ".transforms.functional")
    sys.modules |= {f"torchvision{name}": MagicMock() for name in names}

import pytorch_grad_cam as other
from mirrored import mirror
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget, FinerWeightedTarget

from cam_networks import TARGETS, explained, images, network

STRENGTH = 0.6


def raw(method, targets):
    """The map of each image before it is rectified, resized and scaled."""
    model, found = mirror(), []
    cam = method(model, [model[1]])
    made = cam.get_cam_image

    def kept(*args, **kwargs):
        found.append(made(*args, **kwargs))
        return found[-1]

    cam.get_cam_image = kept
    x = torch.tensor(images()).permute(0, 3, 1, 2).contiguous()
    cam(input_tensor=x, targets=targets)
    return np.asarray(found[0])


def by_pytorch_grad_cam():
    """All that `cam_networks.explained` finds."""
    x = torch.tensor(images()).permute(0, 3, 1, 2).contiguous()
    scores = mirror()(x).detach().numpy()
    plain = [ClassifierOutputTarget(index) for index in TARGETS]
    nearest = [
        int(np.argsort(np.abs(own - own[index]))[1])
        for own, index in zip(scores, TARGETS, strict=True)
    ]
    finer = [FinerWeightedTarget(i, [d], STRENGTH) for i, d in zip(TARGETS, nearest, strict=True)]
    model = mirror()
    full = other.FullGrad(model, [])
    full(input_tensor=x, targets=plain)
    inputs = torch.tensor(images()).permute(0, 3, 1, 2).contiguous().requires_grad_()
    total = sum(target(output) for target, output in zip(plain, mirror()(inputs), strict=True))
    (back,) = torch.autograd.grad(total, inputs)
    sums = [(back * inputs).sum(dim=(1, 2, 3)).detach().numpy()]
    for bias, gradient in zip(full.bias_data, full.activations_and_grads.gradients, strict=True):
        sums.append((gradient.numpy() * bias[None, :, None, None]).sum(axis=(1, 2, 3)))
    return {
        "hirescam": raw(other.HiResCAM, plain),
        "xgradcam": raw(other.XGradCAM, plain),
        "finercam": raw(other.GradCAM, finer),
        "ablationcam": raw(other.AblationCAM, plain)
        * np.sign([own[i] for own, i in zip(scores, TARGETS, strict=True)])[:, None, None],
        "eigencam, centered": raw(other.EigenCAM, plain),
        "eigengradcam, centered": raw(other.EigenGradCAM, plain),
        "fullgrad, sums": np.column_stack(sums),
    }


def main():
    """Compare, and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    found, expected = explained(network()), by_pytorch_grad_cam()
    for name, array in expected.items():
        own = found[name]
        if "centered" in name:
            own = own * np.sign((own * array).sum(axis=(1, 2), keepdims=True))
        share = np.abs(own - array).max() / np.ptp(array)
        print(f"{name:24} differs by {share:.1e} of the range", flush=True)
    if asked.write:
        np.savez_compressed(Path(__file__).with_suffix(".npz"), **expected)


if __name__ == "__main__":
    main()
