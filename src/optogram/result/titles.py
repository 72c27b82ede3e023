"""What pictures, pages and tables call a method, and the units of its values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class _Naming:
    title: str
    unit: str = "{score}"


_PER_INPUT = "{score} per unit of input"
_SQUARED = "({score} per unit of input)²"
_METHODS = {
    "saliency": _Naming("Saliency", _PER_INPUT),
    "gradient_times_input": _Naming("Gradient × Input"),
    "guided_backprop": _Naming("Guided Backpropagation", _PER_INPUT),
    "deconvnet": _Naming("Deconvnet", _PER_INPUT),
    "smoothgrad": _Naming("SmoothGrad", _PER_INPUT),
    "vargrad": _Naming("VarGrad", _SQUARED),
    "squaregrad": _Naming("SquareGrad", _SQUARED),
    "integrated_gradients": _Naming("Integrated Gradients"),
    "fullgrad": _Naming("FullGrad", "sum of shares"),
    "expected_gradients": _Naming("Expected Gradients"),
    "guided_integrated_gradients": _Naming("Guided Integrated Gradients"),
    "xrai": _Naming("XRAI", "{score} per pixel"),
    "gradcam": _Naming("Grad-CAM"),
    "gradcam_plus_plus": _Naming("Grad-CAM++"),
    "layercam": _Naming("LayerCAM"),
    "hirescam": _Naming("HiResCAM"),
    "xgradcam": _Naming("XGrad-CAM"),
    "finercam": _Naming("Finer-CAM"),
    "eigencam": _Naming("Eigen-CAM (any class)", "activation"),
    "eigengradcam": _Naming("Eigen-Grad-CAM"),
    "scorecam": _Naming("Score-CAM", "activation"),
    "ablationcam": _Naming("Ablation-CAM", "activation"),
    "layer_conductance": _Naming("Layer Conductance"),
    "guided_gradcam": _Naming("Guided Grad-CAM", "{score}² per unit of input"),
    "attention_rollout": _Naming("Attention Rollout (any class)", "share of tokens"),
    "transformer_attribution": _Naming("Transformer Attribution"),
    "legrad": _Naming("LeGrad"),
    "lrp": _Naming("LRP"),
    "crp": _Naming("CRP"),
    "relevant_units": _Naming("CRP"),
    "rise": _Naming("RISE"),
    "sobol": _Naming("Sobol Attribution", "share of the variance"),
    "kernel_shap": _Naming("KernelSHAP", "{score} of a segment"),
    "lime": _Naming("LIME", "{score} of a segment"),
    "occlusion": _Naming("Occlusion sensitivity", "drop of the {score}"),
}


def method_title(method: str) -> str:
    """The name of a method as its paper writes it: "Grad-CAM++" for "gradcam_plus_plus".

    Names that are not in the table are returned as they are.
    """
    return _METHODS[method].title if method in _METHODS else method


def value_unit(method: str, score: str) -> str:
    """The unit of a method's values for a score in the unit ``score``, such as "logit".

    Gradients by the image are in units of the score per unit of the network's input. Maps of
    Grad-CAM and its relatives are gradients times feature maps, in units of the score; those of
    Score-CAM, Ablation-CAM and Eigen-CAM are weighted sums of feature maps.
    """
    return _METHODS[method].unit.format(score=score) if method in _METHODS else score
