"""Xplique, on the Keras model, TensorFlow."""

import keras
import numpy as np
import tensorflow as tf
from xplique import attributions
from xplique.features_visualizations import Objective, optimize

from ..side import Given, Opened
from ..tasks import (
    BATCH,
    FILTERS,
    GRID,
    MASKS,
    NOISE,
    PATCH,
    POINTS,
    SAMPLES,
    SIDE,
    STEPS,
    segments,
)


def opened(name: str, given: Given) -> Opened:
    """The Keras model itself."""
    model = keras.saving.load_model(given.model, compile=False)
    photos, one = given.photos, given.photos[:1]
    labels = np.zeros((len(photos), model.output_shape[1]), np.float32)
    labels[:, given.label] = 1
    batch = {"batch_size": BATCH}
    cells = tf.constant(segments())
    many = {
        "gradcam": attributions.GradCAM(model, conv_layer=given.layer, **batch),
        "saliency": attributions.Saliency(model, **batch),
        "guided_backprop": attributions.GuidedBackprop(model, **batch),
    }
    single = {
        "smoothgrad": attributions.SmoothGrad(model, nb_samples=SAMPLES, noise=NOISE, **batch),
        "integrated_gradients": attributions.IntegratedGradients(model, steps=POINTS, **batch),
        "occlusion": attributions.Occlusion(model, patch_size=PATCH, patch_stride=PATCH, **batch),
        "rise": attributions.Rise(model, nb_samples=MASKS, grid_size=GRID, **batch),
        "kernel_shap": attributions.KernelShap(
            model, nb_samples=MASKS, map_to_interpret_space=lambda _: cells, **batch
        ),
    }
    filters = Objective.channel(model, given.layer, list(range(FILTERS)))

    def maximize() -> np.ndarray:
        images, _ = optimize(
            filters,
            nb_steps=STEPS,
            use_fft=False,
            transformations=None,
            custom_shape=(SIDE, SIDE),
        )
        return np.asarray(images[-1])

    tasks = {
        task: lambda run=run: np.asarray(run(photos, labels)) for task, run in many.items()
    } | {task: lambda run=run: np.asarray(run(one, labels[:1])) for task, run in single.items()}
    return Opened(lambda: model(one, training=False), tasks | {"maximize": maximize})
