"""Operations that return what they are given: what augments or drops does so in training alone."""

from typing import Any

import keras

_ALWAYS = (keras.layers.ActivityRegularization, keras.layers.Identity)
# Some are newer than the oldest Keras supported. Not among them, for they also work outside
# training: AutoContrast, CenterCrop, ContrastLimitedAdaptiveHistogramEqualization, Resizing.
_OUTSIDE_TRAINING = tuple(
    getattr(keras.layers, name)
    for name in (
        "AlphaDropout",
        "AugMix",
        "CutMix",
        "Dropout",
        "Equalization",
        "GaussianDropout",
        "GaussianNoise",
        "MaxNumBoundingBoxes",
        "MixUp",
        "RandAugment",
        "RandomBrightness",
        "RandomColorDegeneration",
        "RandomColorJitter",
        "RandomContrast",
        "RandomCrop",  # Keras declares a smaller shape, and returns what it is given
        "RandomElasticTransform",
        "RandomErasing",
        "RandomFlip",
        "RandomGaussianBlur",
        "RandomGrayscale",
        "RandomHue",
        "RandomInvert",
        "RandomPerspective",
        "RandomPosterization",
        "RandomRotation",
        "RandomSaturation",
        "RandomSharpness",
        "RandomShear",
        "RandomTranslation",
        "RandomZoom",
        "Solarization",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
    )
    if hasattr(keras.layers, name)
)


def is_identity(operation: Any, training: bool) -> bool:
    """Whether ``operation`` returns the values that it is given; their type may be another.

    Classes derived from those of Keras are not known: they may do anything.
    """
    kind = type(operation)
    if operation is keras.activations.linear or kind in _ALWAYS:
        return True
    return kind in _OUTSIDE_TRAINING and not training
