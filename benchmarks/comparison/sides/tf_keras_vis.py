"""tf-keras-vis, on the Keras model, TensorFlow."""

import keras
from tf_keras_vis.activation_maximization import ActivationMaximization
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.saliency import Saliency
from tf_keras_vis.scorecam import Scorecam
from tf_keras_vis.utils.model_modifiers import ExtractIntermediateLayer, ReplaceToLinear
from tf_keras_vis.utils.scores import CategoricalScore

from ..side import Given, Opened
from ..tasks import BATCH, FILTERS, NOISE, SAMPLES, SIDE, STEPS


def opened(name: str, given: Given) -> Opened:
    """The Keras model itself."""
    model = keras.saving.load_model(given.model, compile=False)
    photos, one = given.photos, given.photos[:1]
    labels = CategoricalScore([given.label] * len(photos))
    label = CategoricalScore(given.label)
    linear = ReplaceToLinear()
    gradcam, saliency = Gradcam(model, linear), Saliency(model, linear)
    scorecam = Scorecam(model)
    ascent = ActivationMaximization(model, ExtractIntermediateLayer(given.layer))
    filters = CategoricalScore(list(range(FILTERS)))
    seeds = keras.random.uniform((FILTERS, SIDE, SIDE, 3), 0, 255, seed=0)
    smooth = {"smooth_samples": SAMPLES, "smooth_noise": NOISE}
    return Opened(
        lambda: model(one, training=False),
        {
            "gradcam": lambda: gradcam(labels, photos, penultimate_layer=given.layer),
            "saliency": lambda: saliency(labels, photos),
            "smoothgrad": lambda: saliency(label, one, **smooth),
            "scorecam": lambda: scorecam(
                label, one, penultimate_layer=given.layer, batch_size=BATCH
            ),
            "maximize": lambda: ascent(
                filters, seeds, steps=STEPS, input_modifiers=None, regularizers=None
            ),
        },
    )
