"""Groups of Keras layer classes, named after what their members have in common.

Every tuple of layer classes stands here, so that a new kind of layer is added in one place.
"""

import keras

CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
"""Two-dimensional convolutions whose output is no larger than their input."""
CONVOLUTIONS_AND_TRANSPOSED = (*CONVOLUTIONS, keras.layers.Conv2DTranspose)

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

Layers such as LSTM also have an ``activation``, but apply it in the middle of their work.
"""

DENSE = (keras.layers.Dense, keras.layers.EinsumDense)

WITH_FOREIGN_CODE = (keras.layers.Lambda, keras.layers.Wrapper, keras.layers.RNN)
"""Layers of Keras that run a function or a layer which they were given."""

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
"""Layers without weights that do the same to every element of a map."""

ELEMENTWISE_WITH_PARAMETERS = (
    keras.layers.BatchNormalization,
    keras.layers.Normalization,
    keras.layers.PReLU,
    keras.layers.Rescaling,
)
"""Layers that scale, shift or bend elements by numbers that may differ along axes."""

ALONG_AXES = (
    keras.layers.Concatenate,
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
    keras.layers.Softmax,
    keras.layers.UnitNormalization,
)
"""Layers that mix elements along the axes that they name, and no others."""

WITH_DATA_FORMAT = (
    *CONVOLUTIONS_AND_TRANSPOSED,
    *LOCAL_POOLING,
    *GLOBAL_POOLING,
    keras.layers.Cropping2D,
    keras.layers.SpatialDropout2D,
    keras.layers.UpSampling2D,
    keras.layers.ZeroPadding2D,
)
"""Layers that do the same in the other layout once their ``data_format`` is changed."""

WITH_ANY_DATA_FORMAT = (
    *WITH_DATA_FORMAT,
    keras.layers.CenterCrop,
    keras.layers.Flatten,
    keras.layers.Resizing,
)
"""Layers that have a ``data_format``, also where it changes nothing, or only in training."""

WITH_CHANNEL_AXIS = (
    keras.layers.BatchNormalization,
    keras.layers.Concatenate,
    keras.layers.LayerNormalization,
    keras.layers.Softmax,
)
"""Layers whose ``axis`` names the channels."""

ALWAYS_IDENTITY = (keras.layers.ActivityRegularization, keras.layers.Identity)

# Some are newer than the oldest Keras supported. Not among them, for they also work outside
# training: AutoContrast, CenterCrop, ContrastLimitedAdaptiveHistogramEqualization, Resizing.
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
"""Layers that raise from the shape alone where they cannot take it."""

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
"""Layers that class activation maps do not choose by themselves."""

KEEPING_COLORS = (
    *PADDING_OR_CROPPING,
    keras.layers.InputLayer,
    keras.layers.Normalization,
    keras.layers.Rescaling,
    keras.layers.Resizing,
)
"""Layers after which the channels of a map still are the colors of the image."""
