"""The explorer's attention, compared with the library's."""

import io

import numpy as np
import pytest
from PIL import Image

import attention_networks
import networks
import optogram as og
import transformers
from optogram.errors import InputError

pytest.importorskip("starlette")

import optogram.web.questions.attention as attention
from optogram.web.asking import QUESTIONS
from optogram.web.workspace import Workspace

pytestmark = pytest.mark.once


class Explored:
    """A workspace with one network and one photo."""

    def __init__(self, model):
        self.net = og.Network(model, "unit")
        pixels = np.random.default_rng(0).integers(256, size=(*self.net.size, 3), dtype=np.uint8)
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, "PNG")
        self.workspace = Workspace([self.net])
        self.photo = self.workspace.add(content.getvalue(), "noise.png")
        self.library = og.attention(self.net, content.getvalue(), "*")

    def ask(self, name, **given):
        question = QUESTIONS[name]
        _, values = question.read(self.workspace, given)
        return question.answer(self.workspace, None, **values)

    def attention(self, layer):
        return self.ask("attention", photo=self.photo.id, layer=layer)


@pytest.fixture(scope="module")
def one():
    return Explored(attention_networks.vit(1, "token"))


def test_rows_are_those_of_the_library(one):
    (described,) = one.ask("networks").about["networks"]
    assert described["attention_layers"] == list(one.library)
    for layer, expected in one.library.items():
        answer = one.attention(layer)
        np.testing.assert_allclose(answer.arrays["rows"], expected.values[0], rtol=1e-3, atol=1e-6)
        assert answer.arrays["rows"].dtype == np.float16
        assert answer.about["grid"] == answer.about["query_grid"] == (3, 4, 1)
        for name in ("query_patches", "key_patches"):
            assert answer.arrays[name].tolist() == [[-1, *range(12)]]
        assert f"og.attention(net, 'noise.png', {layer!r})" in answer.about["python"]


def test_windows_stand_behind_each_other():
    one = Explored(transformers.build("windows"))
    ((layer, expected),) = one.library.items()
    answer = one.attention(layer)
    windows, heads, queries, _ = expected.values.shape[1:]
    rows = answer.arrays["rows"].reshape(heads, windows, queries, -1)
    np.testing.assert_allclose(np.moveaxis(rows, 0, 1), expected.values[0], rtol=1e-3, atol=1e-6)
    np.testing.assert_array_equal(answer.arrays["key_patches"], expected.windows)
    assert (answer.about["windows"], answer.about["grid"]) == (windows, (4, 2, 0))


def test_attention_of_many_tokens_is_bounded(one, monkeypatch):
    layer, expected = next(iter(one.library.items()))
    heads, queries, keys = expected.values.shape[1:]
    monkeypatch.setattr(attention, "MOST", queries * keys)
    answer = one.attention(layer)
    mean = expected.values[0].mean(axis=0, keepdims=True)
    np.testing.assert_allclose(answer.arrays["rows"], mean, rtol=1e-3, atol=1e-6)
    assert answer.about["is_mean"] and answer.about["heads"] == heads
    monkeypatch.setattr(attention, "MOST", queries * keys - 1)
    with pytest.raises(InputError, match=r"13 queries and 13 keys, more than the explorer shows"):
        one.attention(layer)


def test_networks_without_attention_have_none(one):
    with pytest.raises(InputError, match="no attention layer 'none'"):
        one.attention("none")
    net = og.Network(networks.build("fused"), "unit")
    assert attention.attention_names(net) == []
