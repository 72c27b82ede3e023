"""Every kind of model that people have, under every method: works, or one sentence says why not."""

import keras
import numpy as np
import pytest

import kinds
import optogram as og

pytestmark = pytest.mark.keras_inside

BACKEND = keras.config.backend()

# One method of each kind of program: forward passes, gradients at the image, with other rectifiers,
# and inside, windows. The others are made of these, and are tried on a few kinds, or with --full.
OF_EACH_PROGRAM = ("predict", "feature_maps", "saliency", "guided_backprop", "gradcam", "occlusion")
# The rest is the same code on each of them, and on the oldest Keras, where graphs differ: one that
# goes forward and back through all steps on every kind, one that stops at a layer on a few.
ON_OTHER_BACKENDS = "guided_backprop"
ON_OTHER_BACKENDS_OF_A_FEW = "gradcam"
WITH_EVERY_METHOD = (
    "transfer learning: `base(x, training=False)`",
    "several inputs",
    "one channel",
    "mixed float16",
    "segmentation",
    "subclassed, of other code",
)
NOT_FOR = {
    "segmentation": ({"predict"}, "net.scores(photo)"),
    "subclassed, of other code": (
        {
            "feature_maps",
            "kernels",
            "guided_backprop",
            "gradcam",
            "gradcam_plus_plus",
            "layercam",
            "scorecam",
            "guided_gradcam",
            "intervene",
            "maximize, filter",
            "strongest_images",
        },
        "its layers are not available",
    ),
}


@pytest.fixture(scope="module")
def opened():
    """Opens each kind once."""
    kept = {}

    def of(kind):
        if kind.title not in kept:
            kept[kind.title] = kind.open()
        return kept[kind.title]

    return of


def tried():
    """Each kind under each method, the less distinct ones marked ``full``."""
    for kind in kinds.KINDS:
        for method in kinds.METHODS:
            is_of_a_few = kind.title in WITH_EVERY_METHOD
            is_on_others = method == ON_OTHER_BACKENDS or (
                method == ON_OTHER_BACKENDS_OF_A_FEW and is_of_a_few
            )
            is_distinct = method in OF_EACH_PROGRAM if BACKEND == "tensorflow" else is_on_others
            is_default = is_distinct or (BACKEND != "jax" and is_of_a_few)
            marks = [] if is_default else [pytest.mark.full]
            if not is_on_others:
                marks.append(pytest.mark.newest_keras)
            yield pytest.param(kind, method, marks=marks, id=f"{kind.title}-{method}")


@pytest.mark.parametrize(("kind", "method"), tried())
def test_every_method_works_or_says_in_one_sentence_why_not(kind, method, opened):
    net = opened(kind)
    methods, words = NOT_FOR.get(kind.title, ((), ""))
    found = kinds.try_method(method, kind, net)
    if method not in methods:
        assert found == "works"
    else:
        assert words in found and "\n" not in found


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.title)
def test_scores_are_what_the_model_answers(kind, opened):
    net = opened(kind)
    x = net.prepare(kinds.photo(net))
    try:
        expected = kind.answer(net.model, x)
    except Exception as error:
        assert (BACKEND, kind.title) == ("tensorflow", "channels first"), error
        pytest.skip("TensorFlow cannot run channels first on a processor")
    (found,) = net.evaluate(x, [net.head.output])
    is_half = any(word in kind.title for word in ("float16", "int8"))
    expected = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(expected, "float32")))
    np.testing.assert_allclose(
        found.reshape(expected.shape), expected, atol=(2e-2 if is_half else 1e-5)
    )


@pytest.mark.newest_keras
def test_a_report_is_made_of_networks_of_every_end(tmp_path, opened):
    for title in ("channels first", "segmentation", "subclassed, of other code", "several inputs"):
        kind = next(kind for kind in kinds.KINDS if kind.title == title)
        net = opened(kind)
        og.report(net, kinds.photo(net), out=tmp_path / title.replace(" ", "_"))
        assert (tmp_path / title.replace(" ", "_") / "index.html").stat().st_size > 10_000
