"""What optogram finds on small networks, in the form of Xplique and Captum; see ``reference``."""

import keras
import numpy as np

import cam_networks
import lrp_networks
import optogram as og

# -- Xplique: a network of fused ReLUs, images in network units, whose gray is 0 -------------------

XPLIQUE_TARGETS, XPLIQUE_LAYER, GRID, ROWS = [1, 3], "conv2d_3", 4, 64


def xplique_network():
    """Four convolutions, two poolings and two dense layers."""
    keras.utils.clear_session()  # names of layers begin again
    return og.Network(lrp_networks.seeded(lrp_networks.plain()), preprocess="tf")


def as_xplique(net):
    """By name; of RISE the expectation is the same, of all others the numbers.

    Sobol indices are divided by their sum: Xplique's variance is that of half as many scores. RISE
    is without its mean, the least certain part where masks do not come in pairs.
    """
    x, targets = lrp_networks.images(), XPLIQUE_TARGETS
    sobol = og.sobol(net, x, targets, grid=GRID, masks=ROWS * (GRID**2 + 2), tolerance=0).values
    rise = og.rise(net, x, targets, grid=GRID, masks=4000, tolerance=0, baseline="gray").values
    return {
        "Saliency": np.abs(og.saliency(net, x, targets).values),
        "GradientInput": og.gradient_times_input(net, x, targets).values,
        "IntegratedGradients": og.integrated_gradients(
            net, x, targets, points=512, baseline="gray"
        ).values,
        "GradCAM": og.gradcam(net, x, targets, XPLIQUE_LAYER).values,
        "GuidedBackprop": og.guided_backprop(net, x, targets).values,
        "DeconvNet": og.deconvnet(net, x, targets).values,
        "Occlusion": og.occlusion(net, x, targets, patch=(4, 2), stride=(4, 2)).values,
        "SobolAttributionMethod": sobol / sobol.sum(axis=(1, 2), keepdims=True),
        "Rise": rise - rise.mean(axis=(1, 2), keepdims=True),
    }


# -- Captum: the network of cam_networks, whose input 0 is the baseline ----------------------------

CAPTUM_LAYER, CAPTUM_PATCH = "relu1", (4, 6)


def segments():
    """Six rectangles, (20, 18)."""
    rows, columns = np.arange(20) * 2 // 20, np.arange(18) * 3 // 18
    return rows[:, None] * 3 + columns


def baselines():
    """Three images to begin from, (3, 20, 18, 3)."""
    return np.random.default_rng(7).uniform(-1, 1, (3, 20, 18, 3)).astype(np.float32)


def as_captum(net):
    """By name; of GradientShap and KernelShap the expectation is the same, else the numbers."""
    x, targets = cam_networks.images(), cam_networks.TARGETS
    zero = {"baseline": np.zeros((1, *x.shape[1:]), np.float32)}
    shap = og.kernel_shap(net, x, targets, segments=segments(), **zero).segment_values
    conductance = og.layer_conductance(net, x, targets, CAPTUM_LAYER, points=512, **zero)
    occluded = {"patch": CAPTUM_PATCH, "stride": CAPTUM_PATCH}
    fill = {"fill": 0.0, "fill_space": "network"}
    return {
        "Saliency": og.saliency(net, x, targets).values,
        "InputXGradient": og.gradient_times_input(net, x, targets).values,
        "Deconvolution": og.deconvnet(net, x, targets).values,
        "GuidedBackprop": og.guided_backprop(net, x, targets).values,
        "GuidedGradCam": og.guided_gradcam(net, x, targets, CAPTUM_LAYER).values,
        "LayerGradCam": og.gradcam(net, x, targets, CAPTUM_LAYER, rectify=False).values,
        "IntegratedGradients": og.integrated_gradients(net, x, targets, points=20, **zero).values,
        "LayerConductance": conductance.values,
        "LayerConductance, channels": conductance.channels,
        "Occlusion": og.occlusion(net, x, targets, **occluded, **fill).values,
        "ShapleyValues": shap,
        "KernelShap": shap,
        "GradientShap": og.expected_gradients(
            net, x, targets, baselines=baselines(), samples=2048
        ).values,
    }
