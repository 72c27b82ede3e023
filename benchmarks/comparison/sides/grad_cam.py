"""pytorch-grad-cam, on the network in PyTorch itself."""

import contextlib

import torch

from ..side import Given, Opened
from ..tasks import BATCH
from .torch_networks import first_channels, network


def declare_operators() -> None:
    """Declare torchvision's operators, which a build for GPUs does not bring to a CPU's PyTorch.

    pytorch-grad-cam needs torchvision's transforms alone.
    """
    for name in ("nms", "qnms"):
        with contextlib.suppress(RuntimeError):  # they are there
            torch.library.define(
                f"torchvision::{name}", "(Tensor dets, Tensor scores, float threshold) -> Tensor"
            )


def opened(name: str, given: Given) -> Opened:
    """The network with the weights of the Keras model."""
    declare_operators()
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    model, layer = network(name, given)
    photos = first_channels(given.photos)
    target = ClassifierOutputTarget(given.label)
    gradcam, scorecam, ablationcam = (
        kind(model, [layer])
        for kind in (
            pytorch_grad_cam.GradCAM,
            pytorch_grad_cam.ScoreCAM,
            pytorch_grad_cam.AblationCAM,
        )
    )
    scorecam.batch_size = ablationcam.batch_size = BATCH
    return Opened(
        lambda: model(photos[:1]).softmax(dim=1).detach(),
        {
            "gradcam": lambda: gradcam(photos, [target] * len(photos)),
            "scorecam": lambda: scorecam(photos[:1], [target]),
            "ablationcam": lambda: ablationcam(photos[:1], [target]),
        },
    )
