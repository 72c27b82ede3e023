"""tf-explain, on the Keras model, TensorFlow.

Its maps are colored grids of all photos, so that they are not compared.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from tf_explain.core.grad_cam import GradCAM
from tf_explain.core.integrated_gradients import IntegratedGradients
from tf_explain.core.occlusion_sensitivity import OcclusionSensitivity
from tf_explain.core.smoothgrad import SmoothGrad
from tf_explain.core.vanilla_gradients import VanillaGradients

from ..side import Given, Opened
from ..tasks import BATCH, PATCH, POINTS, SAMPLES


def opened(name: str, given: Given) -> Opened:
    """The Keras model itself."""
    model = keras.saving.load_model(given.model, compile=False)
    many, one = (given.photos, None), (given.photos[:1], None)
    asked = (model, given.label)
    covering = OcclusionSensitivity(batch_size=BATCH)
    tasks: dict[str, Callable[[], Any]] = {
        "gradcam": lambda: GradCAM().explain(many, *asked, layer_name=given.layer),
        "saliency": lambda: VanillaGradients().explain(many, *asked),
        "smoothgrad": lambda: SmoothGrad().explain(one, *asked, num_samples=SAMPLES),
        "integrated_gradients": lambda: IntegratedGradients().explain(one, *asked, n_steps=POINTS),
        "occlusion": lambda: covering.explain(one, *asked, patch_size=PATCH),
    }

    def only_run(task: str) -> None:
        tasks[task]()

    return Opened(
        lambda: model(given.photos[:1], training=False),
        {task: partial(only_run, task) for task in tasks},
    )
