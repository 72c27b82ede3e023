"""Groups of Keras layer classes, named by what they have in common.

All tuples of layer classes are in this file, so that a new kind of layer is added in one place.
"""

import keras

CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
"""Two-dimensional convolutions whose output is not larger than their input."""
CONVOLUTIONS_AND_TRANSPOSED = (*CONVOLUTIONS, keras.layers.Conv2DTranspose)
WITH_DEPTHWISE_KERNELS = (keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
"""Convolutions that begin with kernels of a single input channel each."""

LOCAL_POOLING = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
GLOBAL_POOLING = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)

PADDING_OR_CROPPING = (
    keras.layers.CenterCrop,
    keras.layers.Cropping2D,
    keras.layers.ZeroPadding2D,
)

WITH_FUSED_ACTIVATION = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
    keras.layers.Dense,
    keras.layers.EinsumDense,
)
"""Layers whose call() ends with ``self.activation(outputs)``, which can be split off.

Layers such as LSTM also have an ``activation``, but do not apply it at the end.
"""

DENSE = (keras.layers.Dense, keras.layers.EinsumDense)

WITH_NEW_OUTPUT = (
    keras.layers.Add,
    keras.layers.BatchNormalization,
    keras.layers.Conv2D,
    keras.layers.Dense,
    keras.layers.DepthwiseConv2D,
)
"""Layers that never return their input, or a view of it."""

WITH_FOREIGN_CODE = (keras.layers.Lambda, keras.layers.Wrapper, keras.layers.RNN)
"""Keras layers that run a given function or layer."""

ELEMENTWISE = (
    keras.layers.ActivityRegularization,
    keras.layers.Add,
    keras.layers.AlphaDropout,
    keras.layers.Average,
    keras.layers.Dropout,
    keras.layers.ELU,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.LeakyReLU,
    keras.layers.Maximum,
    keras.layers.Minimum,
    keras.layers.Multiply,
    keras.layers.ReLU,
    keras.layers.SpatialDropout2D,
    keras.layers.Subtract,
)
"""Layers without weights that apply the same function to every element of a map."""

ELEMENTWISE_WITH_PARAMETERS = (
    keras.layers.BatchNormalization,
    keras.layers.Normalization,
    keras.layers.PReLU,
    keras.layers.Rescaling,
)
"""Layers that transform elements by parameters that may differ along axes."""

ALONG_AXES = (
    keras.layers.Concatenate,
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
    keras.layers.Softmax,
    keras.layers.UnitNormalization,
)
"""Layers that mix elements only along the axes that they specify."""

WITH_DATA_FORMAT = (
    *CONVOLUTIONS_AND_TRANSPOSED,
    *LOCAL_POOLING,
    *GLOBAL_POOLING,
    keras.layers.Cropping2D,
    keras.layers.SpatialDropout2D,
    keras.layers.UpSampling2D,
    keras.layers.ZeroPadding2D,
)
"""Layers that can be converted to the other layout by changing ``data_format``."""

WITH_ANY_DATA_FORMAT = (
    *WITH_DATA_FORMAT,
    keras.layers.CenterCrop,
    keras.layers.Flatten,
    keras.layers.Resizing,
)
"""Layers with a ``data_format``, also if it matters only in training, or never."""

WITH_CHANNEL_AXIS = (
    keras.layers.BatchNormalization,
    keras.layers.Concatenate,
    keras.layers.LayerNormalization,
    keras.layers.Softmax,
)
"""Layers whose ``axis`` is the channel axis."""

ALWAYS_IDENTITY = (keras.layers.ActivityRegularization, keras.layers.Identity)

# Some are newer than the oldest supported Keras. These are not included, because they are also
# active outside training: AutoContrast, CenterCrop, ContrastLimitedAdaptiveHistogramEqualization,
# Resizing.
IDENTITY_OUTSIDE_TRAINING = tuple(
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
        "RandomCrop",  # Keras declares a smaller shape, but returns its input
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
"""Dropout, noise and augmentation: layers that return their input outside training."""

CHECKING_THEIR_INPUT_SHAPE = (
    *CONVOLUTIONS_AND_TRANSPOSED,
    *LOCAL_POOLING,
    *GLOBAL_POOLING,
    keras.layers.Activation,
    keras.layers.Add,
    keras.layers.BatchNormalization,
    keras.layers.Concatenate,
    keras.layers.Dense,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.LeakyReLU,
    keras.layers.ReLU,
    keras.layers.Reshape,
    keras.layers.Softmax,
    keras.layers.UpSampling2D,
    keras.layers.ZeroPadding2D,
)
"""Layers that raise for some input shapes."""

NOT_EXPLAINED_AT = (
    *LOCAL_POOLING,
    *PADDING_OR_CROPPING,
    keras.layers.Dropout,
    keras.layers.InputLayer,
    keras.layers.Rescaling,
    keras.layers.Resizing,
    keras.layers.SpatialDropout2D,
    keras.layers.UpSampling2D,
)
"""Layers that are not default layers for class activation maps."""

KEEPING_COLORS = (
    *PADDING_OR_CROPPING,
    keras.layers.InputLayer,
    keras.layers.Normalization,
    keras.layers.Rescaling,
    keras.layers.Resizing,
)
"""Layers that keep the channels of the image as colors."""
