"""Captum, on the network in PyTorch itself."""

import numpy as np
import torch
from captum import attr

from ..side import Given, Opened
from ..tasks import BATCH, MASKS, NOISE, PATCH, POINTS, SAMPLES, segments
from .torch_networks import first_channels, last_channels, network


def opened(name: str, given: Given) -> Opened:
    """The network with the weights of the Keras model."""
    model, layer = network(name, given)
    photos = first_channels(given.photos)
    one, label = photos[:1], given.label
    stdevs = NOISE * float(np.ptp(given.photos[:1]))
    window = (3, PATCH, PATCH)
    cells = torch.tensor(segments(), dtype=torch.int64)[None, None]
    cam, saliency = attr.LayerGradCam(model, layer), attr.Saliency(model)
    noisy = attr.NoiseTunnel(saliency)
    path = attr.IntegratedGradients(model)
    covering, shap = attr.Occlusion(model), attr.KernelShap(model)

    def gradcam() -> np.ndarray:
        return cam.attribute(photos, label, relu_attributions=True).detach().numpy()[:, 0]

    tasks = {
        "saliency": lambda: saliency.attribute(photos, label),
        "smoothgrad": lambda: noisy.attribute(
            one, nt_samples=SAMPLES, nt_samples_batch_size=SAMPLES, stdevs=stdevs, target=label
        ),
        "integrated_gradients": lambda: path.attribute(
            one, target=label, n_steps=POINTS, method="riemann_middle"
        ),
        "occlusion": lambda: covering.attribute(
            one, window, strides=window, target=label, perturbations_per_eval=BATCH
        ),
        "kernel_shap": lambda: shap.attribute(
            one,
            target=label,
            feature_mask=cells,
            n_samples=MASKS,
            perturbations_per_eval=BATCH,
        ),
    }
    if name == "vgg16":  # Captum knows torch.nn.ReLU alone
        guided = attr.GuidedBackprop(model)
        tasks["guided_backprop"] = lambda: guided.attribute(photos, label)
    return Opened(
        lambda: model(one).softmax(dim=1).detach(),
        {"gradcam": gradcam}
        | {task: lambda run=run: last_channels(run()) for task, run in tasks.items()},
    )
