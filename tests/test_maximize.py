"""Pictures that scores want to see: against a loop written out, and over interruptions."""

import keras
import numpy as np
import pytest
from keras import layers
from matplotlib.figure import Figure
from PIL import Image

import literal
import networks
import optogram as og
from optogram.errors import InputError, OptogramError
from optogram.methods.ascent.recoloring import recolorings
from optogram.methods.request import checkpoint

pytestmark = pytest.mark.once

SIZE = (20, 24)
STEPS = 10
TRAJECTORY = 1e-3
"""Largest relative difference of the scores on the way: every step rounds, and rounding adds up."""
PLAIN = og.Recipe(steps=6, optimizer="l2", learning_rate=1.0, spread=0.25)
"""Small and quick, for all that does not depend on how one climbs."""


def with_fused_rectifiers():
    """As VGG: rectifiers inside convolutions, nothing that fixes the size of the images."""
    keras.utils.set_random_seed(0)
    x = image = keras.Input((*SIZE, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv1")(x)
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D(name="pool")(x)
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv3")(x)
    model = keras.Model(image, networks._end(x))
    networks.fill(model)
    # On noise of 255 levels a random softmax is sure of one class, and nothing leads up.
    model.layers[-1].kernel.assign(model.layers[-1].kernel / 50)
    return model


@pytest.fixture(scope="module")
def fixed():
    """A slope for each place of a map, so that images have one size."""
    x = image = keras.Input((*SIZE, 3))
    x = layers.Conv2D(4, 3, padding="same")(x)
    x = layers.PReLU(name="slopes", alpha_initializer="uniform")(x)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="last")(x)
    return og.Network(keras.Model(image, networks._end(x)), "unit")


def with_skips():
    """As ResNet50V2: normalization and rectifiers before convolutions, and skip connections."""
    keras.utils.set_random_seed(0)
    x = image = keras.Input((*SIZE, 3))
    x = layers.Conv2D(6, 3, padding="same", name="stem")(x)
    for i in range(2):
        y = layers.BatchNormalization(name=f"block{i}_norm")(x)
        y = layers.ReLU(name=f"block{i}_relu")(y)
        y = layers.Conv2D(6, 3, padding="same", name=f"block{i}_conv")(y)
        x = layers.Add(name=f"block{i}_out")([x, y])
    model = keras.Model(image, networks._end(x), name="with_skips")
    networks.fill(model)
    return model


@pytest.fixture(scope="module")
def vgg():
    return og.Network(with_fused_rectifiers(), "caffe")


@pytest.fixture(scope="module")
def resnet():
    return og.Network(with_skips(), "tf")


@pytest.fixture(scope="module")
def photo():
    """A bright disc on a ramp, with all levels from dark to light."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    disc = 60.0 * (np.hypot(y - 9, x - 12) < 6)
    return np.stack([20 + 6 * x + disc, 30 + 8 * y, 200 - 5 * x + disc / 2], -1).astype(np.uint8)


def noise(width, middle=0.0, shape=(*SIZE, 3), seed=0):
    """What tutorials start from, drawn as optogram draws it: uniform, ``width`` wide."""
    return (np.random.default_rng(seed).random(shape) - 0.5) * width + middle


def mean_of(channel, border=0):
    inner = slice(border, -border or None)
    return lambda maps: keras.ops.mean(maps[inner, inner, channel])


def firing(maps, start, count):
    """The channels that answer most to the start; Keras draws other weights on every backend."""
    means = literal.array(maps(literal.tensor(start[None]))).mean(axis=(0, 1, 2))
    return np.argsort(-means)[:count].tolist()


def assert_same_climb(found, row, expected):
    scores, images = expected
    np.testing.assert_allclose(found.history[row], scores, rtol=TRAJECTORY)
    assert np.ptp(scores) > 10 * TRAJECTORY * np.abs(scores).max()  # or all climbs were the same
    reach = np.ptp(images[-1])
    np.testing.assert_allclose(found.values[row], images[-1], rtol=0, atol=TRAJECTORY * reach)


# -- the rows of the tutorials, each against the same thing written out ----------------------------


@pytest.mark.each_backend
def test_filters_by_the_root_mean_square_on_a_canvas_of_the_layers_size(vgg):
    """Row A3."""
    canvas = (SIZE[0] // 2, SIZE[1] // 2)
    start = np.random.default_rng(0).random((*canvas, 3)) * 20 + 128
    maps = literal.up_to(vgg.model, "conv3", canvas)
    channels = firing(maps, start, 2)
    found = og.maximize(
        vgg,
        og.Filter("conv3", channels),
        "tutorial",
        units="network",
        as_layer=True,
        steps=STEPS,
    )
    assert found.values.shape == (2, *canvas, 3)
    for row, channel in enumerate(channels):
        both = literal.scores_and_gradients(maps, mean_of(channel))
        expected = literal.gradient_ascent(both, start, "rms", 1.0, STEPS)
        assert_same_climb(found, row, expected)


@pytest.mark.each_backend
def test_the_tutorials_recipe_counts_in_levels_of_a_screen(resnet):
    found = og.maximize(resnet, og.Filter("block0_conv", 2), "tutorial", steps=STEPS, size=SIZE)
    start = (np.random.default_rng(0).random((*SIZE, 3)) * 20 + 128) / 127.5 - 1
    both = literal.scores_and_gradients(literal.up_to(resnet.model, "block0_conv"), mean_of(2))
    assert_same_climb(found, 0, literal.gradient_ascent(both, start, "rms", 1 / 127.5, steps=STEPS))


INNER = og.Filter("block1_out", 3, border=2)
D1 = {"optimizer": "l2", "learning_rate": 10.0, "spread": 0.25, "contrast": 0.15, "steps": STEPS}


@pytest.mark.each_backend
def test_a_filter_without_a_border_by_the_l2_norm(resnet):
    """Row D1."""
    found = og.maximize(resnet, INNER, og.Recipe(**D1))
    both = literal.scores_and_gradients(literal.up_to(resnet.model, "block1_out"), mean_of(3, 2))
    assert_same_climb(found, 0, literal.gradient_ascent(both, noise(0.25), "l2", 10.0, STEPS))


@pytest.mark.each_backend
def test_a_filter_from_a_photo_and_noise(resnet, photo):
    """Row D2."""
    found = og.maximize(resnet, INNER, og.Recipe(**D1), start=photo)
    both = literal.scores_and_gradients(literal.up_to(resnet.model, "block1_out"), mean_of(3, 2))
    start = photo / 127.5 - 1 + noise(0.25)
    assert_same_climb(found, 0, literal.gradient_ascent(both, start, "l2", 10.0, STEPS))


OF_CLASS = {"score": "probability", "l2": 1e-6, "learning_rate": 100.0, "frames": 2}


@pytest.mark.each_backend
def test_the_probability_of_a_class_less_the_norm_of_the_picture(vgg):
    """Row D3."""
    found = og.maximize(vgg, 2, og.Recipe(**D1), **OF_CLASS)
    both = literal.scores_and_gradients(vgg.model, lambda answer: answer[2])
    expected = literal.gradient_ascent(both, noise(0.25), "l2", 100.0, STEPS, l2=1e-6)
    assert_same_climb(found, 0, expected)
    probabilities = literal.array(vgg.model(found.values))
    assert found.score[0] == pytest.approx(probabilities[0, 2], rel=1e-5)


def test_a_frame_every_second_step_at_five_a_second(vgg, tmp_path):
    """Row D4."""
    heard = []
    found = og.maximize(
        vgg, 2, og.Recipe(**D1), **OF_CLASS, crop=3, on_frame=lambda *frame: heard.append(frame)
    )
    assert [index for index, _ in heard] == [0] * (1 + STEPS // 2)
    np.testing.assert_array_equal([frame for _, frame in heard], [*found.start, *found.frames[0]])
    assert found.frames.shape == (1, STEPS // 2, SIZE[0] - 6, SIZE[1] - 6, 3)
    np.testing.assert_array_equal(found.frames[:, -1], found.images)
    earlier = og.maximize(vgg, 2, og.Recipe(**D1), **{**OF_CLASS, "frames": None}, crop=3, steps=4)
    np.testing.assert_array_equal(found.frames[:, 1], earlier.images)
    with Image.open(found.gif(tmp_path / "evolution.gif", bare=True)) as gif:
        assert gif.size == (SIZE[1] - 6, SIZE[0] - 6)
        assert gif.n_frames == STEPS // 2
        for i in range(gif.n_frames):
            gif.seek(i)
            assert gif.info["duration"] == 200  # milliseconds


def test_an_animation_starts_at_the_start_and_says_step_and_score(vgg, tmp_path, monkeypatch):
    from optogram.result import maximization

    said = []
    captioned = maximization._captioned
    monkeypatch.setattr(
        maximization,
        "_captioned",
        lambda frame, step, score: said.append((step, score)) or captioned(frame, step, score),
    )
    start = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
    found = og.maximize(vgg, 2, og.Recipe(**D1), **OF_CLASS, start=start)
    assert np.corrcoef(found.start[0].ravel(), start.ravel())[0, 1] > 0.97  # shown with contrast
    with Image.open(found.gif(tmp_path / "evolution.gif")) as gif:
        assert gif.n_frames == 1 + STEPS // 2
        assert gif.height > SIZE[0]  # text below
        durations = []
        for i in range(gif.n_frames):
            gif.seek(i)
            durations.append(gif.info["duration"])
    assert durations == [200] * (STEPS // 2) + [2200]
    assert [step for step, _ in said] == [f"step {n} of {STEPS}" for n in range(0, STEPS + 1, 2)]
    assert said[0][1] == pytest.approx(found.history[0, 0])
    assert said[-1][1] == pytest.approx(found.score[0])


@pytest.mark.each_backend
def test_the_logit_of_a_class_less_the_norm_and_the_total_variation(vgg):
    """Row B4."""
    penalties = {"l2": 1e-5, "tv": 1e-5}
    recipe = og.Recipe(steps=STEPS, optimizer="adam", learning_rate=2.0, spread=40.0, **penalties)
    found = og.maximize(vgg, og.Class(3), recipe)
    linear = literal.with_linear_end(vgg.model)
    both = literal.scores_and_gradients(linear, lambda logits: logits[3])
    expected = literal.gradient_ascent(both, noise(40.0), "adam", 2.0, STEPS, **penalties)
    assert_same_climb(found, 0, expected)
    bare, _ = literal.gradient_ascent(both, noise(40.0), "adam", 2.0, STEPS)
    assert not np.allclose(bare, found.history[0], rtol=TRAJECTORY)  # the penalties tell


slow_to_compile = pytest.mark.skipif(
    keras.config.backend() == "jax", reason="compiling large networks takes minutes"
)


@slow_to_compile
def test_row_a3_on_vgg16():
    keras.utils.set_random_seed(0)
    model = keras.applications.VGG16(weights=None, include_top=False, input_shape=(64, 64, 3))
    start = np.random.default_rng(1).random((1, 16, 16, 3)).astype("float32") * 20 + 128
    maps = literal.up_to(model, "block3_conv2", (16, 16))
    channels = firing(maps, start[0], 2)
    found = og.maximize(
        og.Network(model, "caffe"),
        og.Filter("block3_conv2", channels),
        "tutorial",
        units="network",
        start=start,
        as_layer=True,
        steps=STEPS,
    )
    for row, channel in enumerate(channels):
        both = literal.scores_and_gradients(maps, mean_of(channel))
        assert_same_climb(found, row, literal.gradient_ascent(both, start[0], "rms", 1.0, STEPS))


@slow_to_compile
def test_row_d1_on_resnet50_v2():
    keras.utils.set_random_seed(0)
    model = keras.applications.ResNet50V2(weights=None, include_top=False, input_shape=(96, 96, 3))
    start = noise(0.25, shape=(1, 96, 96, 3), seed=1).astype("float32")
    found = og.maximize(
        og.Network(model, "tf"),
        og.Filter("conv3_block4_out", 51, border=2),
        og.Recipe(**D1),
        start=start,
        steps=5,
    )
    both = literal.scores_and_gradients(literal.up_to(model, "conv3_block4_out"), mean_of(51, 2))
    assert_same_climb(found, 0, literal.gradient_ascent(both, start[0], "l2", 10.0, steps=5))


@pytest.mark.each_backend
def test_frequencies_by_adam(resnet):
    """The recipe "fast" without its transforms; the chain rule through the picture by hand."""
    found = og.maximize(
        resnet, og.Filter("block1_out", 1), "fast", transforms=(), steps=STEPS, size=SIZE
    )
    painter = literal.FourierPicture(SIZE, 3)
    both = literal.scores_and_gradients(literal.up_to(resnet.model, "block1_out"), mean_of(1))
    shape = (2, 3, SIZE[0], SIZE[1] // 2 + 1)
    numbers = (np.random.default_rng(0).standard_normal(shape) * 0.01).astype("float32")
    taken, scores = literal.climber("adam", 0.05, numbers), []
    for _ in range(STEPS):
        score, slope = both(painter.picture(numbers) * 2 - 1)
        numbers = taken(numbers, painter.back(numbers, slope * 2))
        scores.append(score)
    np.testing.assert_allclose(found.history[0], scores, rtol=TRAJECTORY)
    # Adam goes as far for a slope of 1e-9 as for one of 1, so rounding moves a few frequencies.
    np.testing.assert_allclose(found.values[0], painter.picture(numbers) * 2 - 1, atol=0.01)


@pytest.mark.each_backend
def test_views_with_noise_and_other_colors(resnet):
    """The mean score of two recolored views, with its slope by hand; "tf" is 2 x − 1."""
    colors = (og.ColorJitter(0.2, 1.5), og.Noise(0.2))
    recipe = og.Recipe(
        steps=STEPS, optimizer="l2", learning_rate=0.5, spread=0.5, transforms=colors, views=2
    )
    found = og.maximize(resnet, og.Filter("block1_out", 1), recipe, size=SIZE)
    both = literal.scores_and_gradients(literal.up_to(resnet.model, "block1_out"), mean_of(1))
    numbers, corners, field = recolorings(colors, SIZE, 3, STEPS, 2, 0)
    x, scores = noise(0.5).astype("float32"), []
    taken = literal.climber("l2", 0.5, x)
    for step in range(STEPS):
        score, slope = 0, 0
        for (factor, shift, deviation), (y, left) in zip(numbers[step], corners[step], strict=True):
            window = field[y : y + SIZE[0], left : left + SIZE[1]]
            part, back = both((factor * x + 2 * (shift + deviation * window)).astype("float32"))
            score, slope = score + part / 2, slope + factor * back / 2
        x = taken(x, slope)
        scores.append(score)
    np.testing.assert_allclose(found.history[0], scores, rtol=TRAJECTORY)
    np.testing.assert_allclose(found.values[0], x, atol=0.01)


@pytest.mark.each_backend
@pytest.mark.parametrize("recipe", og.RECIPES)
def test_every_named_recipe_leads_up(recipe, resnet):
    target = og.Filter("block1_out", 1)
    start = {"start": photo_of(SIZE), "near": 0.1} if og.RECIPES[recipe].near else {}
    begun = og.maximize(resnet, target, recipe, steps=1, size=SIZE, **start)
    found = og.maximize(resnet, target, recipe, steps=30, size=SIZE, **start)
    assert found.values.shape == (1, *SIZE, 3)
    assert np.isfinite(found.history).all() and found.history.shape == (1, 30)
    assert found.score[0] > begun.score[0] + 0.01


# -- near a photo ----------------------------------------------------------------------------------


def photo_of(size):
    return np.random.default_rng(0).integers(60, 200, (*size, 3)).astype(np.uint8)


def test_an_accentuated_photo_stays_near_the_photo(resnet):
    photo, target = photo_of(SIZE), og.Filter("block1_out", 1)

    def away(**more):
        found = og.maximize(resnet, target, "accentuation", start=photo, size=SIZE, **more)
        return found.score[0], np.square(found.images[0] / 255.0 - photo / 255.0).mean()

    scores, distances = zip(*(away(near=near) for near in (1e-9, 1e3, 1e6)), strict=True)
    assert scores[0] > scores[1] > scores[2]
    assert distances[0] > 4 * distances[1] > 16 * distances[2]


def test_the_penalty_is_lambda_times_the_mean_square(resnet):
    """Steps on pixels, with its slope by hand: 2 λ (x − start) / (number of elements · range²)."""
    photo = photo_of(SIZE)
    target = og.Filter("block1_out", 1)
    recipe = og.Recipe(steps=3, optimizer="l2", learning_rate=2.0, near=500.0, spread=1.0)
    found = og.maximize(resnet, target, recipe, start=photo, size=SIZE)
    both = literal.scores_and_gradients(literal.up_to(resnet.model, "block1_out"), mean_of(1))
    start = (photo / 127.5 - 1).astype("float32")
    taken, x, scores = literal.climber("l2", 2.0, start), start, []
    for _ in range(3):
        score, slope = both(x)
        scores.append(score)
        x = taken(x, slope - np.float32(2 * 500 / (x.size * 2**2)) * (x - start))
    np.testing.assert_allclose(found.history[0], scores, rtol=TRAJECTORY)
    np.testing.assert_allclose(found.values[0], x, atol=1e-4)


def test_several_photos_are_accentuated_each_near_itself(resnet):
    starts = np.stack([photo_of(SIZE), 255 - photo_of(SIZE)]) / np.float32(127.5) - 1
    recipe = og.Recipe(steps=2, optimizer="rms", learning_rate=0.01, near=1e6)
    targets = og.Filter("block1_out", [1, 2])
    found = og.maximize(resnet, targets, recipe, start=starts.astype("float32"), size=SIZE)
    for values, own in zip(found.values, starts, strict=True):
        assert np.abs(values - own).mean() < 0.02


@pytest.mark.parametrize("start", [None, "gray"])
def test_accentuation_without_a_photo_is_refused(start, resnet):
    with pytest.raises(InputError, match=r"near a photo .* give start=photo"):
        og.maximize(resnet, og.Filter("block1_out", 1), "accentuation", start=start)


# -- what a result holds ---------------------------------------------------------------------------


@pytest.mark.each_backend
def test_the_score_is_that_of_the_finished_picture(resnet):
    found = og.maximize(resnet, og.Filter("block0_conv", [0, 4]), PLAIN, size=SIZE)
    maps = og.feature_maps(resnet, found.values, "block0_conv")["block0_conv"].values
    np.testing.assert_allclose(found.score, np.diag(maps.mean(axis=(1, 2))[:, [0, 4]]), rtol=1e-4)
    assert (found.score > found.history[:, -1]).all()
    assert (np.diff(found.history) > 0).all()


def test_a_class_is_scored_by_its_logit(resnet):
    found = og.maximize(resnet, [1, 3], PLAIN)
    logits = resnet.scores(found.values)
    np.testing.assert_allclose(found.score, np.diag(logits[:, [1, 3]]), rtol=1e-4)


@pytest.mark.parametrize(
    ("contrast", "crop"), [(0.1, 0), (0.15, 5)], ids=["row A3", "row D1, of small pictures"]
)
def test_pictures_are_shown_with_their_mean_at_gray(contrast, crop, vgg):
    found = og.maximize(vgg, 2, og.Recipe(**D1), contrast=contrast, crop=crop, **OF_CLASS)
    for values, image in zip(found.values.astype(float), found.images, strict=True):
        shown = (values - values.mean()) / (values.std() + 1e-5) * contrast + 0.5
        inner = slice(crop, -crop or None)
        shown = np.clip(shown[inner, inner, ::-1] * 255, 0, 255)  # the network's order is BGR
        np.testing.assert_allclose(image, shown, atol=0.501)  # rounded


def test_pictures_are_shown_by_the_way_back_of_the_preparation(vgg):
    found = og.maximize(vgg, 2, og.Recipe(**D1), **OF_CLASS, units="display", contrast=None)
    np.testing.assert_array_equal(found.images, vgg.display(found.values))


def test_gray_is_gray_whatever_the_order_of_channels(vgg):
    found = og.maximize(
        vgg,
        2,
        og.Recipe(**D1),
        **OF_CLASS | {"learning_rate": 1e-9, "spread": 0.0, "contrast": None},
        start="gray",
    )
    assert set(np.unique(found.images)) <= {127, 128}  # of 127.5


def test_results_are_saved_and_loaded(vgg, tmp_path):
    found = og.maximize(vgg, 2, og.Recipe(**D1), **OF_CLASS)
    back = og.load_result(found.save(tmp_path / "class.npz"))
    assert type(back) is og.Maximization
    for name in ("values", "images", "history", "score", "frames"):
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name))
    assert back.targets == found.targets == ("class 2",)
    assert back.parameters == found.parameters
    np.testing.assert_array_equal(np.asarray(back.plot()), np.asarray(found.plot()))
    assert np.asarray(found.trajectories()).std() > 0
    ax = Figure().add_subplot()
    assert found.trajectories(ax=ax) is ax
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), found.history[0])


# -- targets ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def several():
    """Targets in one layer, whose pictures are climbed together."""
    return [
        og.Filter("block0_conv", 0),
        og.Neuron("block0_conv", (4, 9), 2),
        og.Filter("block0_conv", 3) - 0.5 * og.Filter("block0_conv", 1),
    ]


@pytest.fixture(scope="module")
def together(resnet, several):
    return og.maximize(resnet, several, PLAIN)


def assert_close(found, expected):
    # The same sums in batches of another length, in another order.
    np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found.history, expected.history, rtol=1e-3, atol=1e-5)


@pytest.mark.each_backend
def test_targets_are_climbed_together_as_each_alone(resnet, several, together):
    assert together.targets == tuple(target.describe(resnet) for target in several)
    for row, target in enumerate(several):
        alone = og.maximize(resnet, target, PLAIN)
        np.testing.assert_allclose(together.values[row], alone.values[0], rtol=0, atol=1e-4)
    assert not np.allclose(together.values[0], together.values[2], atol=0.01)


@pytest.mark.each_backend
def test_batches_of_any_length_give_the_same(resnet, several, together):
    assert_close(og.maximize(resnet, several, PLAIN, memory=1), together)


@pytest.mark.each_backend
def test_a_neuron_moves_only_what_it_sees(resnet):
    found = og.maximize(resnet, og.Neuron("block0_conv", (4, 9), 2), PLAIN)
    moved = np.abs(found.values[0] - noise(0.25).astype("float32")).max(axis=-1) > 1e-6
    rows, columns = np.nonzero(moved)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 6, 7, 11)


def test_filters_of_several_layers_in_one_call(resnet):
    targets = [og.Filter("block0_conv", 0), og.Filter("stem", [1, 2]), og.Filter("block0_conv", 3)]
    found = og.maximize(resnet, targets, PLAIN, size=SIZE)
    assert found.targets == (
        *("block0_conv, filter 0", "stem, filter 1"),
        *("stem, filter 2", "block0_conv, filter 3"),
    )
    maps = og.feature_maps(resnet, found.values, ["stem", "block0_conv"])
    inner, outer = (maps[name].values.mean(axis=(1, 2)) for name in ("block0_conv", "stem"))
    expected = [inner[0, 0], outer[1, 1], outer[2, 2], inner[3, 3]]
    np.testing.assert_allclose(found.score, expected, rtol=1e-4)


@pytest.mark.each_backend
def test_a_sum_over_two_layers_is_climbed(resnet):
    target = og.Filter("stem", 1) + 2 * og.Filter("block0_conv", 3)
    found = og.maximize(resnet, target, PLAIN, size=SIZE)
    maps = og.feature_maps(resnet, found.values, ["stem", "block0_conv"])
    expected = maps["stem"].values[..., 1].mean() + 2 * maps["block0_conv"].values[..., 3].mean()
    assert found.score[0] == pytest.approx(expected, rel=1e-4)
    assert found.score[0] > found.history[0, 0]


@pytest.mark.each_backend
def test_every_draw_comes_from_the_seed(resnet, several, together):
    again = og.maximize(resnet, several, PLAIN)
    np.testing.assert_array_equal(again.values, together.values)
    other = og.maximize(resnet, several, PLAIN, seed=1)
    assert not np.allclose(other.values, together.values, atol=0.01)


def test_each_target_can_have_a_start_of_its_own(resnet, several, together):
    starts = np.stack([noise(0.25, seed=seed) for seed in (0, 1, 0)]).astype("float32")
    found = og.maximize(resnet, several, PLAIN, start=starts)
    np.testing.assert_allclose(found.values[[0, 2]], together.values[[0, 2]], atol=1e-6)
    other = og.maximize(resnet, several, PLAIN, seed=1)
    np.testing.assert_allclose(found.values[1], other.values[1], atol=1e-6)
    one_by_one = og.maximize(resnet, several, PLAIN, start=starts, memory=1)
    assert_close(one_by_one, found)


def test_targets_that_fit_the_pictures_but_not_the_networks_own_size(resnet):
    """The size asked for counts."""
    found = og.maximize(
        resnet, og.Neuron("stem", (25, 29), 0), PLAIN, size=(2 * SIZE[0], 2 * SIZE[1])
    )
    moved = np.abs(found.values[0] - noise(0.25, shape=(40, 48, 3))).max(axis=-1) > 1e-6
    assert moved[24:27, 28:31].all() and moved.sum() == 9


@pytest.mark.each_backend
@pytest.mark.parametrize("recipe", ["tutorial", "fast"])
def test_gray_networks_that_are_not_square(recipe):
    model = networks.build("binary")
    model.get_layer("conv1").bias.assign([0.5] * 4)  # so that gray fires some filter
    net = og.Network(model, "unit")
    found = og.maximize(net, 1, recipe, steps=8)
    assert found.values.shape == (1, 16, 20, 1)
    assert found.images.shape == (1, 16, 20, 1) and found.images.dtype == np.uint8
    assert found.score[0] == pytest.approx(net.scores(found.values)[0, 0], rel=1e-4)
    assert found.score[0] > found.history[0, 0]
    assert found.plot().width >= 160


# -- going on after an interruption ----------------------------------------------------------------


MOVING = {"optimizer": "adam", "learning_rate": 0.05, "frames": 2}


@pytest.fixture
def often(monkeypatch):
    """The file is written after every call of the compiled loop."""
    monkeypatch.setattr(checkpoint, "_SECONDS", 0.0)
    monkeypatch.setattr(checkpoint, "_SHARE", np.inf)


def interrupted(net, targets, path, after, **more):
    """Climb, and be interrupted as soon as ``after`` steps are done."""

    def progress(done, total, what):
        assert (total, what) == (len(targets) * PLAIN.steps, "steps")
        if done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        og.maximize(
            net, targets, PLAIN, **MOVING, **more, memory=1, checkpoint=path, progress=progress
        )


@pytest.mark.each_backend
def test_an_interrupted_climb_goes_on_half_way_up_a_picture(resnet, several, often, tmp_path):
    path = tmp_path / "climb.npz"
    expected = og.maximize(resnet, several, PLAIN, **MOVING, memory=1)
    interrupted(resnet, several, path, after=10)
    assert path.exists()
    told = []
    found = og.maximize(
        resnet,
        several,
        PLAIN,
        **MOVING,
        memory=1,
        checkpoint=path,
        progress=lambda done, *_: told.append(done),
    )
    # Frames end parts of 2 steps; of the second picture the first of these parts was kept.
    assert told[0] > PLAIN.steps + 2 and told[-1] == 3 * PLAIN.steps
    np.testing.assert_allclose(found.values, expected.values, atol=1e-6)
    np.testing.assert_allclose(found.history, expected.history, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-5)
    np.testing.assert_array_equal(found.images, expected.images)
    np.testing.assert_array_equal(found.frames, expected.frames)
    assert list(tmp_path.iterdir()) == [path]
    np.testing.assert_array_equal(og.load_result(path).values, found.values)


def test_a_finished_climb_is_returned_from_its_file(resnet, tmp_path):
    path, target = tmp_path / "climb.npz", og.Filter("block0_conv", 0)
    found = og.maximize(resnet, target, PLAIN, size=SIZE, checkpoint=path)
    told = []
    again = og.maximize(
        resnet, target, PLAIN, size=SIZE, checkpoint=path, progress=lambda *step: told.append(step)
    )
    assert not told
    np.testing.assert_array_equal(again.values, found.values)
    np.testing.assert_array_equal(again.history, found.history)
    before = path.read_bytes()
    with pytest.raises(InputError, match="another run"):
        og.maximize(resnet, target, PLAIN, size=SIZE, checkpoint=path, seed=1)
    assert path.read_bytes() == before


def test_the_progress_of_another_climb_is_refused_and_kept(resnet, vgg, several, often, tmp_path):
    path = tmp_path / "climb.npz"
    interrupted(resnet, several, path, after=4)
    before = path.read_bytes()
    filters = [og.Filter("block0_conv", [0, 1, 2])]
    twin = og.Network(with_skips(), "tf")
    weight = twin.model.get_layer("stem").bias
    weight.assign(weight + 0.001)
    for net, targets, changed in (
        (twin, several, {}),
        (resnet, filters, {}),
        (resnet, several[:2], {}),
        (resnet, several, {"seed": 1}),
        (resnet, several, {"learning_rate": 0.06}),
        (resnet, several, {"frames": None}),
        (resnet, several, {"start": noise(0.25, shape=(1, *SIZE, 3))}),
    ):
        with pytest.raises(InputError, match="checkpoint of another run of maximize") as error:
            og.maximize(net, targets, PLAIN, **MOVING | changed, memory=1, checkpoint=path)
        assert "\n" not in str(error.value)
    assert path.read_bytes() == before
    path.write_bytes(before[: len(before) // 2])
    with pytest.raises(InputError, match="damaged"):
        og.maximize(resnet, several, PLAIN, **MOVING, memory=1, checkpoint=path)


def test_a_finished_climb_of_another_setting_or_preparation_is_refused(tmp_path):
    def net(slope, factor):
        image = keras.Input((12, 12, 3))
        x = layers.LeakyReLU(slope)(layers.Conv2D(4, 3, name="conv")(image))
        model = keras.Model(image, networks._end(layers.Conv2D(4, 3, name="last")(x)))
        model.set_weights([np.full(w.shape, 0.1) for w in model.get_weights()])
        return og.Network(model, (lambda p: p * factor, lambda x: x / factor))

    path, target = tmp_path / "climb.npz", og.Filter("last", 0)
    og.maximize(net(0.1, 0.01), target, PLAIN, size=SIZE, checkpoint=path)
    for other in (net(0.3, 0.01), net(0.1, 0.02)):
        with pytest.raises(InputError, match="another run"):
            og.maximize(other, target, PLAIN, size=SIZE, checkpoint=path)
    og.maximize(net(0.1, 0.01), target, PLAIN, size=SIZE, checkpoint=path)


def test_a_place_that_cannot_keep_the_progress_is_told_before_the_work(resnet, tmp_path):
    told = []
    for name, words in (
        ("gone/climb.npz", "is not a folder"),
        ("folder.npz", "is not a checkpoint"),
    ):
        (tmp_path / "folder.npz").mkdir(exist_ok=True)
        with pytest.raises(OptogramError, match=words):
            og.maximize(
                resnet, og.Filter("block0_conv", 0), PLAIN, size=SIZE, checkpoint=tmp_path / name,
                progress=lambda *step: told.append(step),
            )  # fmt: skip
    assert not told


def test_the_border_of_a_filter_tells_climbs_apart(resnet, often, tmp_path):
    path = tmp_path / "climb.npz"
    interrupted(resnet, [og.Filter("block0_conv", 1)], path, after=4, size=SIZE)
    inner = og.Filter("block0_conv", 1, border=2)
    with pytest.raises(InputError, match="another run"):
        og.maximize(resnet, inner, PLAIN, **MOVING, memory=1, checkpoint=path, size=SIZE)


# -- what cannot be climbed ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def half_dead():
    """Filter 0 never fires, filter 1 always does."""
    image = keras.Input((16, 16, 3))
    convolution = layers.Conv2D(2, 3, activation="relu", name="conv")
    model = keras.Model(image, networks._end(convolution(image)))
    networks.fill(model)
    convolution.bias.assign([-1e6, 1e6])
    return og.Network(model, "caffe")


@pytest.mark.each_backend
def test_a_filter_that_never_fires_is_an_error(half_dead):
    with pytest.raises(
        InputError, match=r"conv, filter 0 is zero at the start image.*:pre"
    ) as error:
        og.maximize(half_dead, og.Filter("conv", 0), PLAIN, size=(16, 16))
    assert "\n" not in str(error.value)


def test_a_filter_that_never_fires_beside_one_that_does_is_a_warning(half_dead):
    found = og.maximize(half_dead, og.Filter("conv", [0, 1]), PLAIN, size=(16, 16))
    (warning,) = found.warnings
    assert "conv, filter 0" in warning and "filter 1" not in warning
    assert found.score[0] == 0 and found.score[1] > 1e5
    np.testing.assert_allclose(found.values[0], noise(0.25, shape=(16, 16, 3)), atol=1e-6)


@pytest.mark.each_backend
def test_a_filter_that_is_shut_for_noise_is_opened_by_redirected_gradients():
    image = keras.Input((16, 16, 1))
    x = layers.Conv2D(1, 1, activation="relu", name="conv")(image)
    net = og.Network(keras.Model(image, networks._end(x)), "unit")
    kernel, bias = net.model.get_layer("conv").weights
    kernel.assign(np.full(kernel.shape, 1.0))
    bias.assign([-0.6])  # noise around 0.2 does not reach it
    climb = {
        "optimizer": "rms",
        "learning_rate": 0.1,
        "center": 0.2,
        "spread": 0.1,
        "size": (16, 16),
        "steps": 8,
    }
    with pytest.raises(InputError, match="zero at the start image"):
        og.maximize(net, og.Filter("conv", 0), "tutorial", units="network", **climb)
    found = og.maximize(
        net, og.Filter("conv", 0), "tutorial", units="network", redirected=6, **climb
    )
    # Six steps of 0.1 each from 0.2 ± 0.05, then two by its own gradient; the score is x − 0.6.
    np.testing.assert_allclose(found.values.mean(), 1.0, atol=0.01)
    np.testing.assert_allclose(found.score, found.values.mean() - 0.6, atol=1e-5)
    assert (found.history[0, :3] == 0).all()
    assert not found.warnings[len(net.warnings) :]


@pytest.mark.each_backend
def test_redirected_gradients_do_not_make_a_dead_filter_alive(half_dead):
    with pytest.raises(InputError, match="zero at the start image"):
        og.maximize(half_dead, og.Filter("conv", 0), PLAIN, size=(16, 16), redirected=2)


@pytest.mark.each_backend
def test_before_its_rectifier_a_dead_filter_can_be_climbed(half_dead):
    found = og.maximize(half_dead, og.Filter("conv:pre", 0), PLAIN, size=(16, 16))
    assert not found.warnings
    assert found.score[0] > found.history[0, 0]


@pytest.mark.each_backend
def test_weights_that_are_not_numbers_are_named():
    model = networks.build("linear")
    kernel = model.get_layer("conv1").kernel
    kernel.assign(kernel * np.nan)
    # Before the rectifier: TensorFlow's makes 0 of what is not a number.
    with pytest.raises(InputError, match="filter 2 is NaN or infinite"):
        og.maximize(og.Network(model, "unit"), og.Filter("conv1:pre", 2), PLAIN, size=(16, 16))


FUSED = {"target": og.Filter("conv1", 0), "recipe": "tutorial"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"target": og.Filter("conv1", 4)}, "4 channels"),
        ({"target": og.Filter("conv9", 0)}, "'conv9'"),
        ({"target": og.Filter("conv3", 0, border=3)}, "border of 3"),
        ({"target": og.Filter("conv3", 0), "size": (4, 4)}, "does not accept images of 4×4 pixels"),
        ({"target": 1, "size": (20, 20)}, "does not accept images of 20×20 pixels"),
        ({"target": og.Neuron("conv1", (9, 9), 0), "size": (8, 8)}, "outside"),
        ({"target": 1, "as_layer": True}, "with feature maps"),
        ({"target": og.Filter("conv1", 0) + og.Filter("conv3", 0), "as_layer": True}, "one layer"),
        ({"recipe": "tutorail"}, "'tutorial'"),
        ({"recipe": 3}, "or a Recipe, not 3"),
        ({"stepps": 3}, "no field 'stepps'"),
        ({"steps": 0}, "steps"),
        ({"steps": 2.5}, "steps"),
        ({"learning_rate": 0}, "rate"),
        ({"learning_rate": -1.0}, "rate"),
        ({"learning_rate": float("nan")}, "rate"),
        ({"optimizer": "sgd"}, "rms, l2, adam"),
        ({"parametrization": "wavelets"}, "pixels, fourier, phase"),
        ({"units": "volts"}, "network, display"),
        ({"l2": -1.0}, "l2"),
        ({"contrast": 0}, "contrast"),
        ({"frames": 0}, "frames"),
        ({"frames": 1.5}, "frames"),
        ({"size": (0, 16)}, "size"),
        ({"size": (16, 16), "crop": 8}, "leaves nothing of 16×16"),
        ({"size": (16, 16), "start": np.zeros((1, 16, 17, 3))}, r"(N, 16, 16, 3)"),
        ({"size": (16, 16), "start": np.full((1, 16, 16, 3), np.nan)}, "finite"),
        ({"size": (16, 16), "start": np.zeros((2, 16, 16, 3))}, "2 start images for 1 target"),
        (
            {"recipe": "fast", "size": (16, 16), "start": np.zeros((1, 16, 16, 3))},
            "optimizes fourier",
        ),
        ({"start": "nowhere.png"}, "does not exist"),
        ({"score": "loss"}, "probability"),
        ({"checkpoint": "climb.txt"}, ".npz"),
        ({"memory": "much"}, "memory"),
    ],
)
def test_what_cannot_be_asked(arguments, words, fused):
    with pytest.raises(InputError) as error:
        og.maximize(fused, **FUSED | arguments)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def fused():
    return og.Network(networks.build("fused"), "unit")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"learning_rate": None}, id="a learning rate of None"),
        pytest.param({"crop": "all"}, id="a crop that is a word"),
        pytest.param(
            {"transforms": (og.Noise(0.1), og.Jitter(2))}, id="a view moved after its colors change"
        ),
        pytest.param({"size": 16}, id="one number for two sides"),
        pytest.param(
            {"transforms": (og.Jitter(200),), "size": (16, 16)}, id="less than the jitter cuts off"
        ),
    ],
)
def test_what_is_of_another_kind_is_refused_in_one_sentence(arguments, fused):
    with pytest.raises(InputError) as error:
        og.maximize(fused, **FUSED | arguments)
    assert "\n" not in str(error.value)


def test_colors_need_a_preparation_that_is_a_matrix(fused):
    pair = (lambda x: np.sqrt(x / 255), lambda x: 255 * np.square(x))
    net = og.Network(fused.model, pair)
    with pytest.raises(InputError, match='choose recipe="tutorial"'):
        og.maximize(net, og.Filter("conv1", 0), "lucid", size=(16, 16))


def test_where_a_layer_fixes_the_size_pictures_are_as_large(fixed):
    assert og.maximize(fixed, og.Filter("last", 0), "fast", steps=1).values.shape[1:3] == SIZE


def test_another_size_than_a_layer_fixes_is_refused_in_its_name(fixed):
    with pytest.raises(InputError, match=r"'slopes'.*takes only \(20, 24, 4\)"):
        og.maximize(fixed, og.Filter("last", 0), "tutorial", steps=1, size=(24, 24))
    photo = np.zeros((30, 30, 3), np.uint8)
    with pytest.raises(InputError, match="'slopes'"):
        og.feature_maps(fixed, photo, "last", size=(30, 30))
