"""One method, one file, one function, named after its paper."""

ATTRIBUTIONS = (
    "saliency",
    "guided_backprop",
    "smoothgrad",
    "integrated_gradients",
    "gradcam",
    "gradcam_plus_plus",
    "layercam",
    "scorecam",
    "guided_gradcam",
    "occlusion",
)
"""The methods that say where in an image a score comes from."""
