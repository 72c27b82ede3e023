"""The network in space: blocks, and the maps of every step."""

import json
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from starlette.testclient import TestClient

import optogram as og
import transformers
from networks import build
from optogram.graph.steps import Output
from optogram.interpreters import walk as walking
from optogram.interpreters.walk import walk
from optogram.web.app import create_app
from optogram.web.blocks import blocks_of, can_be_folded
from optogram.web.workspace import Workspace

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """A photo with structure, in a file."""
    from PIL import Image

    y, x = np.mgrid[:48, :40]
    pixels = np.stack([x * 6, y * 5, (x * y) % 256], -1).astype(np.uint8)
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


def network(name):
    return og.Network(build(name), preprocess="unit")


def asked(net, picture, question, **given):
    """The answer of the explorer, as (header, arrays)."""
    workspace = Workspace([net])
    photo = workspace.add(picture, "photo.png")
    client = TestClient(create_app(workspace, ["127.0.0.1"]), base_url="http://127.0.0.1")
    if question == "stacks":
        given["photo"] = photo.id
    response = client.get(f"/api/{question}", params=given)
    assert response.status_code == 200, response.text
    content = response.content
    (length,) = struct.unpack("<I", content[4:8])
    header = json.loads(content[8 : 8 + length])
    start = -(-(8 + length) // 8) * 8
    tiles = [
        np.frombuffer(content, each["dtype"], int(np.prod(each["shape"])), start + each["offset"])
        for each in header["arrays"]
    ]
    return header, tiles


def named_blocks(net):
    """{name: names of its steps} of all blocks."""
    steps = net.graph.steps
    return {block.name: [steps[index].name for index in block.steps] for block in blocks_of(steps)}


@pytest.mark.each_backend
@pytest.mark.parametrize("name", ["branches", "shared_model", "operations"])
def test_walk_gives_what_every_step_returns(name, picture, monkeypatch):
    monkeypatch.setattr(walking, "STEPS", 3)  # so that small networks have several parts, too
    net = network(name)
    x = np.asarray(net.prepare(picture))
    found = dict(pair for part in walk(net.uncompiled(), x) for pair in part)
    assert list(found) == list(range(len(net.graph.steps)))
    names = [step.name for step in net.graph.steps if len(step.shape) == 4]
    for layer, maps in og.feature_maps(net, x, names).items():
        np.testing.assert_allclose(found[net.step(layer).index], maps.values, atol=1e-5)
    np.testing.assert_allclose(found[net.head.logits.step], net.scores(x), atol=1e-5)


def test_walk_holds_only_what_later_parts_read(picture, monkeypatch):
    monkeypatch.setattr(walking, "STEPS", 2)
    net = network("fused").uncompiled()
    x = np.asarray(net.prepare(picture))
    lengths = [len(part) for part in walk(net, x)]
    assert max(lengths) == 2 and sum(lengths) == len(net.graph.steps)
    monkeypatch.setattr(walking, "_BYTES", 1)
    assert {len(part) for part in walk(net, x)} == {1}


def test_stacks_are_the_maps_that_vary_most(picture):
    net = network("skips")
    header, (tiles,) = asked(net, picture, "stacks", count=4)
    maps = og.feature_maps(net, picture, ["block1_conv"])["block1_conv"]
    at = 0
    for stack in header["stacks"]:
        size = stack["count"] * stack["height"] * stack["width"]
        if net.graph.steps[stack["step"]].name == "block1_conv":
            assert stack["channels"] == maps.strongest(4, by="variation")[0].tolist()
            assert stack["is_signed"] and stack["low"] == -stack["high"]
            shown = tiles[at : at + size].reshape(4, stack["height"], stack["width"])
            values = stack["low"] + (stack["high"] - stack["low"]) * shown / 255.0
            expected = np.moveaxis(maps.values[0][..., stack["channels"]], -1, 0)
            assert np.abs(values - expected).max() <= (stack["high"] - stack["low"]) / 500
        at += size
    assert at == tiles.size
    assert [stack["step"] for stack in header["stacks"]] == list(range(len(net.graph.steps)))


def test_stacks_shrink_large_maps_by_averaging_and_put_vectors_in_rows(picture):
    import keras

    image = keras.Input((70, 64, 3))
    x = keras.layers.Conv2D(2, 1, activation="relu", name="large")(image)
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    net = og.Network(keras.Model(image, keras.layers.Dense(10, name="dense")(x)), "unit")
    header, (tiles,) = asked(net, picture, "stacks")
    stacks = {net.graph.steps[stack["step"]].name: stack for stack in header["stacks"]}
    assert (stacks["large"]["height"], stacks["large"]["width"]) == (32, 29)
    assert (stacks["dense"]["count"], stacks["dense"]["height"], stacks["dense"]["width"]) == (
        *(1, 3, 4),
    )
    start = sum(s["count"] * s["height"] * s["width"] for s in header["stacks"][:2])
    first = tiles[start : start + 32 * 29] / 255 * stacks["large"]["high"]
    channel = stacks["large"]["channels"][0]
    whole = og.feature_maps(net, picture, ["large"])["large"].values[0, ..., channel]
    assert first.mean() == pytest.approx(whole.mean(), rel=0.01)


def test_stacks_come_in_parts_that_together_are_the_answer(picture, monkeypatch):
    monkeypatch.setattr(walking, "STEPS", 4)
    from optogram.web.questions.space import stacks

    class Told:
        def __init__(self):
            self.parts, self.done = [], []

        def partial(self, answer):
            self.parts.append(answer)

        def progress(self, done, total, what):
            self.done.append((done, total))

    told, net = Told(), network("branches")
    workspace = Workspace([net])
    answer = stacks(workspace, told, net, workspace.add(picture, "photo.png"), 9)
    assert len(told.parts) > 2
    assert told.done[-1] == (len(net.graph.steps),) * 2
    assert [s for part in told.parts for s in part.about["stacks"]] == answer.about["stacks"]
    together = np.concatenate([part.arrays["tiles"] for part in told.parts])
    np.testing.assert_array_equal(together, answer.arrays["tiles"])


def test_blocks_follow_names_nested_models_and_branches():
    skips = named_blocks(network("skips"))
    assert skips["block0"][0] == "block0_norm" and skips["block0"][-1] == "block0_add"
    assert named_blocks(network("transfer"))["base"] == ["conv1", "norm", "relu", "dropout"]
    assert set(named_blocks(network("shared_model"))) == {"base", "base@2"}
    branches = named_blocks(network("branches"))
    assert branches["mixed"] == [
        *["branch1:pre", "branch1", "branch3:pre", "branch3", "branch5:pre", "branch5"],
        *["branch_pool", "mixed"],
    ]


class Concatenate:
    """Its name is what Keras would call the layer."""


def steps_of(*names, reads=None):
    """Steps with these names, each of which reads the one before."""
    reads = reads or [[place - 1] if place else [] for place in range(len(names))]
    return [
        SimpleNamespace(
            index=place,
            name=name,
            path=(name,),
            part="",
            operation=Concatenate(),
            inputs=tuple(Output(read) for read in reads[place]),
        )
        for place, name in enumerate(names)
    ]


@pytest.fixture(scope="module")
def transformer():
    """A transformer with a class token, and the steps of its first attention by their last name."""
    net = og.Network(transformers.build("token"), preprocess="unit")
    return net, {step.path[-1]: step for step in net.graph.steps if "first_mha" in step.path}


def test_blocks_of_a_transformer_are_its_layers_with_what_is_inside(transformer):
    net, inside = transformer
    blocks = named_blocks(net)
    assert {"front", "first", "first_mha", "second", "second_mha"} <= blocks.keys()
    inside = {step.name for step in inside.values() if step.part != "joined"}
    assert inside <= set(blocks["first_mha"])
    # Tokens are joined where they are read: not in the block that they come from.
    assert set(blocks["first_mha"]) < set(blocks["first"]) and "first_ln1" in blocks["first"]
    assert "last" not in blocks["second"]


def test_attention_is_a_map_for_each_head(transformer, picture):
    net, inside = transformer
    header, _ = asked(net, picture, "stacks")
    at = {stack["step"]: stack for stack in header["stacks"]}
    scores, query = at[inside["softmax"].index], at[inside["query"].index]
    assert (scores["count"], scores["height"], scores["width"]) == (2, 7, 7)
    assert (query["count"], query["height"], query["width"]) == (1, 7, 8)


def test_blocks_are_nested_as_the_names_of_layers_are():
    inner = [f"conv{i}_block{j}_{part}" for i in (2, 3) for j in (1, 2) for part in "abc"]
    steps = steps_of("input", *inner, "pool", "mean", "dense")
    blocks = blocks_of(steps)
    found = [(b.name, None if b.parent is None else blocks[b.parent].name) for b in blocks]
    assert found == [
        *[("conv2", None), ("conv2_block1", "conv2"), ("conv2_block2", "conv2")],
        *[("conv3", None), ("conv3_block1", "conv3"), ("conv3_block2", "conv3")],
    ]
    assert [steps[index].name for index in blocks[1].steps] == inner[:3]


def test_names_that_keras_makes_up_say_nothing():
    names = [f"concatenate_{i}" if i else "concatenate" for i in range(12)]
    assert blocks_of(steps_of(*names)) == []
    # Two paths from 4 to 8: they are a block, with what joins them.
    reads = [[place - 1] if place else [] for place in range(12)]
    reads[6], reads[8] = [4], [5, 7]
    (block,) = blocks_of(steps_of(*names, reads=reads))
    assert (block.name, block.steps) == ("concatenate_8", (5, 6, 7, 8))


def test_groups_that_would_read_each_other_are_no_blocks():
    chain = [[], [0], [1], [2]]
    assert can_be_folded([[1, 2]], range(4), chain)
    assert not can_be_folded([[1, 3]], range(4), chain)
    # Each alone could be folded, but not both: 1 reads 0, and 2 reads 3.
    crossed = [[], [0], [3], []]
    assert can_be_folded([[0, 2]], range(4), crossed)
    assert not can_be_folded([[0, 2], [1, 3]], range(4), crossed)


def test_an_opaque_network_has_no_blocks_and_says_why():
    import keras

    class Code(keras.Model):
        def __init__(self):
            super().__init__(name="code")
            self.dense = keras.layers.Dense(3)

        def call(self, inputs, training=False):
            if keras.utils.is_keras_tensor(inputs):
                raise TypeError("no symbols here")
            return self.dense(keras.ops.mean(inputs, axis=(1, 2)))

    model = Code()
    model(np.ones((1, 8, 8, 3), np.float32))
    net = og.Network(model, preprocess="unit")
    assert net.is_opaque
    client = TestClient(create_app(Workspace([net]), ["127.0.0.1"]), base_url="http://127.0.0.1")
    refused = client.get("/api/blocks")
    assert refused.status_code == 422 and "layers are not available" in refused.json()["error"]
