"""How far each row of the five documents is from its computation in plain Keras and NumPy.

``python tests/tutorial_rows.py --fashion fashion.keras`` prints the table of docs/tutorials.md.
VGG16 has seeded random weights, Fashion-MNIST's rows want a network made by `optogram train` and
the data (``--data FOLDER``). Differences are the largest one over the range of what is compared.
"""

import argparse
import math
import tempfile
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import literal
import optogram as og

PHOTO = og.datasets.sample_photo("chelsea")
ENDS = [f"block{number}_conv{last}" for number, last in enumerate((2, 2, 3, 3, 3), 1)]
STEPS = 5
"""How many steps of a climb are compared."""
POOLS = [f"block{number}_pool" for number in range(1, 6)]


def apart(found, expected):
    """The largest difference over the range of what is expected."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    assert found.shape == expected.shape, (found.shape, expected.shape)
    return np.abs(found - expected).max() / max(np.ptp(expected), 1e-30)


def probability(k):
    """The softmax output of class k, out of logits."""
    return lambda logits: keras.ops.softmax(logits[None])[0][k]


def prepared_by_hand(picture):
    """(H, W, 3) as VGG16 takes it: blue first, minus the means of ImageNet."""
    return picture[..., ::-1].astype(np.float32) - np.array([103.939, 116.779, 123.68], np.float32)


def first_document(net, x, answer):
    """Rows A1 to A4."""
    full = Image.open(PHOTO).convert("RGB")
    wide = full.resize((400, round(full.height * 400 / full.width)), Image.Resampling.LANCZOS)
    bare = keras.applications.VGG16(include_top=False, weights=None)
    bare.set_weights(net.model.get_weights()[:26])
    convolutions = [layer.name for layer in bare.layers if "conv" in layer.name]
    maps = og.feature_maps(net, PHOTO, convolutions, size=(None, 400))
    fed = prepared_by_hand(np.asarray(wide))
    yield (
        "A1",
        "outputs of 13 convolutions, any aspect ratio",
        max(
            apart(maps[name].values[0], literal.feature_maps(bare, fed, name))
            for name in convolutions
        ),
    )
    small = np.asarray(full.resize((224, 224), Image.Resampling.LANCZOS))
    yield "A2", "preparation", apart(x[0], prepared_by_hand(small))
    yield "A2", "and its inverse, which is exact", apart(net.display(x)[0], small)
    start = np.random.default_rng(0).random((75, 100, 3)) * 20 + 128
    yield (
        f"A3 ({STEPS} steps)",
        "a filter on a canvas of its layer's size, by the root mean square",
        steps_apart(net, og.Filter("block3_conv1", 5), start, "rms", 1.0),
    )
    cam = og.gradcam(net, x, answer, "block5_conv3", rectify=False, score="probability")
    expected = literal.gradcam(net.model, x[0], probability(answer), "block5_conv3", rectify=False)
    yield "A4", "Grad-CAM of the softmax output, no rectifier", apart(cam.values[0], expected)
    told = [index for index, *_ in net.predict(PHOTO, top=3)[0]]
    by_hand = np.argsort(-net.model.predict(x, verbose=0)[0], kind="stable")[:3]
    yield "A4", "top three", apart(told, by_hand)


def steps_apart(net, target, start, optimizer, rate, score="logit", **penalties):
    """How far apart a climb's first steps are, ours and written out, each from where ours stands.

    From the start on, two climbs part as rounding grows through rectifiers that open or close.
    """
    size = start.shape[:2]
    if isinstance(target, og.Filter):
        inner = slice(target.border, -target.border or None)
        model = literal.up_to(net.model, target.layer, size)
        both = literal.scores_and_gradients(
            model, lambda maps: keras.ops.mean(maps[inner, inner, target.channel])
        )
    else:
        model = net.model if score == "probability" else literal.with_linear_end(net.model)
        both = literal.scores_and_gradients(model, lambda answer: answer[target])
    worst, here = 0.0, start.astype(np.float32)
    for _ in range(STEPS):
        found = og.maximize(
            net, target, "tutorial", start=here[None], size=size, optimizer=optimizer,
            learning_rate=rate, units="network", steps=1, score=score, **penalties,
        )  # fmt: skip
        _, images = literal.gradient_ascent(both, here, optimizer, rate, 1, **penalties)
        worst, here = max(worst, apart(found.values[0], images[-1])), found.values[0]
    return worst


def second_document(net, x, answer):
    """Rows B1 to B8."""
    model = net.model
    yield (
        "B1",
        "parameters, all layers",
        apart([sum(layer.parameters for layer in net.layers)], [model.count_params()]),
    )
    same = net["block5_conv1"].config == model.get_layer("block5_conv1").get_config()
    yield "B2", "configuration and weights of block5_conv1", 0.0 if same else np.inf
    yield (
        "B3",
        "first kernels of five layers",
        max(
            apart(og.kernels(net, name).values, model.get_layer(name).get_weights()[0])
            for name in (f"block{number}_conv1" for number in range(1, 6))
        ),
    )
    start = np.random.default_rng(0).random((224, 224, 3)) * 20 - 10
    yield (
        f"B4 ({STEPS} steps)",
        "the logit of class 385, less the norm and the total variation",
        steps_apart(net, 385, start, "rms", 1.0, l2=1e-5, tv=1e-5),
    )
    found = og.occlusion(
        net, x, answer, patch=14, stride=14, margin=28, fill=0.5, fill_space="network",
        score="probability",
    )  # fmt: skip
    scores = []
    for top in range(0, 224, 14):
        for left in range(0, 224, 14):
            covered = x.copy()
            covered[:, max(0, top - 28) : top + 42, max(0, left - 28) : left + 42] = 0.5
            scores.append(model.predict(covered, verbose=0)[0, answer])
    yield "B5", "256 scores, one by one", apart(found.scores[0].ravel(), scores)

    def score(logits):
        return logits[answer]

    yield (
        "B6",
        "gradient at the image",
        apart(og.saliency(net, x, answer).values[0], literal.gradients(model, score)(x[0])),
    )
    yield (
        "B6",
        "guided backpropagation",
        apart(
            og.guided_backprop(net, x, answer).values[0],
            literal.gradients(literal.guided_network(model), score)(x[0]),
        ),
    )
    cam = og.gradcam(net, x, answer, "block5_conv3")
    gradients, maps = literal.gradient(model, x[0], score, "block5_conv3")
    yield (
        "B7",
        "gradients, weights and sum",
        max(
            apart(cam.steps.gradients[0], gradients),
            apart(cam.steps.weights[0], gradients.mean(axis=(0, 1))),
            apart(cam.steps.sum[0], (maps * gradients.mean(axis=(0, 1))).sum(axis=-1)),
        ),
    )
    four = ["block1_conv1", "block2_conv1", "block3_conv1", "block4_conv2"]
    found = og.feature_maps(net, PHOTO, four)
    yield (
        "B8",
        "four layers × five channels",
        max(
            apart(found[name].values[0, ..., :5], literal.feature_maps(model, x[0], name)[..., :5])
            for name in four
        ),
    )


def as_functional(sequential):
    """The same network, of new layers: those of a loaded Sequential are called more than once."""
    image = hidden = keras.Input(sequential.input_shape[1:])
    for layer in sequential.layers:
        hidden = type(layer).from_config(layer.get_config())(hidden)
    model = keras.Model(image, hidden)
    model.set_weights(sequential.get_weights())
    return model


def third_document(net, x, answer, trained, data):
    """Rows C1 to C5; the first four where there is a trained network."""
    if trained:
        own = og.load(trained)
        model = as_functional(own.model)
        clothes = og.datasets.fashion_mnist(data)
        told = own.model.predict(clothes.test_images[..., None], verbose=0).argmax(axis=1)
        accuracy = (told == clothes.test_labels).mean()
        yield (
            f"C1 (accuracy {accuracy:.4f})",
            "answers to 200 test pictures",
            apart(own.scores(clothes.test_images[:200, ..., None]).argmax(axis=1), told[:200]),
        )
        kernel = own.model.get_layer("conv1").get_weights()[0]
        yield "C2", "kernels of the first layer", apart(og.kernels(own, "conv1").values, kernel)
        picture = clothes.test_images[4]
        found = og.feature_maps(own, picture, ["leaky1", "leaky2"])
        yield (
            "C3",
            "maps of test picture 4",
            max(
                apart(one.values[0], literal.feature_maps(model, picture[..., None], name))
                for name, one in found.items()
            ),
        )
        picture = clothes.test_images[18]
        named = int(told[18])
        cam = og.gradcam(own, picture, named, "leaky2", score="probability")
        yield (
            "C4",
            "Grad-CAM of test picture 18",
            apart(
                cam.values[0],
                literal.gradcam(model, picture[..., None], probability(named), "leaky2"),
            ),
        )
    found = og.feature_maps(net, PHOTO, ENDS)
    yield (
        "C5",
        "maps of the last convolution of each block",
        max(
            apart(one.values[0], literal.feature_maps(net.model, x[0], name))
            for name, one in found.items()
        ),
    )
    yield (
        "C5",
        "Grad-CAM on block5_conv3",
        apart(
            og.gradcam(net, x, answer, "block5_conv3").values[0],
            literal.gradcam(net.model, x[0], lambda logits: logits[answer], "block5_conv3"),
        ),
    )


def fourth_document(net):
    """Rows D1 to D4."""
    keras.utils.set_random_seed(0)
    resnet = og.load("resnet50v2", weights=None)
    noise = (np.random.default_rng(0).random((224, 224, 3)) - 0.5) * 0.25
    for row, what, start in (
        ("D1", "filter 51 without a border of 2, by the L2 norm", noise),
        ("D2", "the same from a photo and noise", resnet.prepare(PHOTO)[0] + noise),
    ):
        target = og.Filter("conv3_block4_out", 51, border=2)
        difference = steps_apart(resnet, target, start, "l2", 10.0)
        yield f"{row} ({STEPS} steps)", what, difference
    yield (
        f"D3 ({STEPS} steps)",
        "the probability of class 141, less the norm",
        steps_apart(net, 141, noise, "l2", 100.0, score="probability", l2=1e-6),
    )
    bird = og.maximize(
        net, 141, "tutorial", steps=100, optimizer="l2", learning_rate=100.0, units="network",
        frames=2, score="probability", crop=25, center=0.0, spread=0.25,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        bird.gif(Path(folder) / "bird.gif", fps=5, bare=True)
        with Image.open(Path(folder) / "bird.gif") as gif:
            shown = [gif.n_frames, gif.info["duration"], *gif.size]
    yield (
        "D4",
        "frames of the GIF, their milliseconds, their size",
        apart(shown, [50, 200, 174, 174]),
    )


def mosaic_by_hand(maps, columns):
    """(H, W): maps (h, w, C) in gray from 0 to their maximum, two pixels apart, on white."""
    height, width, count = maps.shape
    rows = math.ceil(count / columns)
    shape = rows * (height + 2) - 2, columns * (width + 2) - 2
    drawn = np.full(shape, 255.0)
    for channel in range(count):
        top, left = channel // columns * (height + 2), channel % columns * (width + 2)
        drawn[top : top + height, left : left + width] = 255 * maps[..., channel] / maps.max()
    return drawn


def fifth_document(net, x):
    """Rows E1 to E4."""
    found = og.feature_maps(net, PHOTO)
    yield (
        f"E1 ({len(found)} layers)",
        "outputs of all convolutions and poolings",
        max(
            apart(one.values[0], literal.feature_maps(net.model, x[0], name))
            for name, one in found.items()
        ),
    )
    last = found["block5_pool"]
    maps = literal.feature_maps(net.model, x[0], "block5_pool")
    strongest = int(maps.mean(axis=(0, 1)).argmax())
    yield (
        f"E2 (map {strongest})",
        "the strongest map of the last layer",
        apart(last.values[0, ..., last.strongest(1)[0, 0]], maps[..., strongest]),
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in POOLS:
            (Path(folder) / name).mkdir()
            found[name].write_each(Path(folder) / name)
        files = len(list(Path(folder).glob("*/*.png")))
        yield f"E3 ({files} files)", "every map of the pooling layers", apart([files], [1472])
    for name, columns in (("block2_pool", 12), ("block5_pool", 23)):
        maps = literal.feature_maps(net.model, x[0], name)
        drawn = found[name].mosaic(cell=maps.shape[0], cmap="gray", bar=False)
        yield (
            f"E4 ({maps.shape[-1]} maps)",
            "all maps in one mosaic, as levels of gray",
            apart(np.asarray(drawn.convert("L")), mosaic_by_hand(maps, columns)),
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--fashion", help="a network made by optogram train")
    parser.add_argument("--data", help="the folder with Fashion-MNIST's files")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    net = og.load("vgg16", weights=None)
    x = net.prepare(PHOTO)
    answer = int(net.scores(x).argmax())
    print("| row | what is compared | largest difference |\n|---|---|---|")
    for rows in (
        first_document(net, x, answer),
        second_document(net, x, answer),
        third_document(net, x, answer, arguments.fashion, arguments.data),
        fourth_document(net),
        fifth_document(net, x),
    ):
        for row, what, difference in rows:
            print(f"| {row} | {what} | {difference:.1e} |", flush=True)


if __name__ == "__main__":
    main()
