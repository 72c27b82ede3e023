"""Similarity to another image as a target, against the cosine written out."""

import keras
import numpy as np
import pytest
from keras import layers

import optogram as og


@pytest.fixture(scope="module")
def net():
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="tanh", name="conv")(image)
    model = keras.Model(image, layers.Dense(6)(layers.GlobalAveragePooling2D()(x)))
    return og.Network(model, preprocess="none")


def images(count):
    return np.random.default_rng(0).normal(size=(count, 8, 8, 3)).astype(np.float32)


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_the_score_is_the_cosine_and_its_gradient_is_the_map(net):
    x, other, *_ = images(2)[:, None]
    found = og.saliency(net, x, og.Similarity(other))
    embeddings = [net.scores(each)[0] for each in (x, other)]
    assert float(found.score[0]) == pytest.approx(cosine(*embeddings), abs=1e-6)
    step = np.zeros_like(x)
    step[0, 3, 4, 1] = 1e-2
    ends = [cosine(net.scores(x + sign * step)[0], embeddings[1]) for sign in (1, -1)]
    assert float(found.values[0, 3, 4, 1]) == pytest.approx((ends[0] - ends[1]) / 2e-2, rel=2e-2)


def test_an_image_and_its_embedding_are_the_same_target(net):
    x, other, third = images(3)[:, None]
    embedding = net.scores(other)[0]
    by_image = og.saliency(net, x, og.Similarity(other)).values
    for vector in (embedding, 3 * embedding, embedding.tolist()):
        found = og.saliency(net, x, og.Similarity(vector)).values
        np.testing.assert_allclose(found, by_image, rtol=0, atol=1e-6)
    both = og.saliency(net, x, [og.Similarity(other), og.Similarity(third)]).values
    np.testing.assert_allclose(both[0], by_image[0], rtol=0, atol=1e-6)
    less = og.saliency(net, x, og.Similarity(other) - og.Similarity(third)).values
    np.testing.assert_allclose(less[0], both[0] - both[1], rtol=0, atol=1e-6)


@pytest.mark.once
def test_an_image_is_most_similar_to_itself(net):
    x = images(1)
    found = og.occlusion(net, x, og.Similarity(x), patch=4)
    assert float(found.score[0]) == pytest.approx(1, abs=1e-6)
    assert (found.values >= -1e-6).all()
    assert og.gradcam(net, x, og.Similarity(images(2)[1:]), "conv").values.shape == (1, 6, 6)


@pytest.mark.once
@pytest.mark.parametrize(
    ("other", "said"),
    [
        ([1.0, 2.0], "has 6 outputs"),
        ([0.0] * 6, "zero everywhere"),
        ([np.nan, *[1.0] * 5], "finite"),
        (images(2), "one image, and 2 images"),
    ],
)
def test_what_is_no_image_and_no_embedding_is_refused(net, other, said):
    with pytest.raises(og.InputError, match=said):
        og.saliency(net, images(1), og.Similarity(other))
