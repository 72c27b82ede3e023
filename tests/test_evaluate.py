"""Attribution methods compared: what is planted must come out."""

from dataclasses import replace
from functools import wraps

import keras
import numpy as np
import pytest
from PIL import Image

import networks
import optogram as og
from optogram import methods
from optogram.errors import InputError
from optogram.explaining import method as map_method
from optogram.result.measures import MEASURES, RIVALS

pytestmark = pytest.mark.once

SIDE = 18
CHEAP = ("deletion", "insertion", "road", "mu_fidelity", "infidelity", "sparseness")


@pytest.fixture(scope="module")
def linear():
    """A network whose logit 1 is a weighted sum of pixels, and gray (127.5) is 0 to it."""
    image = keras.Input((SIDE, SIDE, 3))
    dense = keras.layers.Dense(2, name="dense")
    model = keras.Model(image, dense(keras.layers.Flatten()(image)))
    generator = np.random.default_rng(0)
    kernel = np.zeros((SIDE, SIDE, 3, 2), np.float32)
    kernel[..., 1] = generator.normal(0, 0.02, (SIDE, SIDE, 1))
    kernel[4:9, 5:11, :, 1] += 0.3
    dense.set_weights([kernel.reshape(-1, 2), np.zeros(2, np.float32)])
    return og.Network(model, "tf")


@pytest.fixture(scope="module")
def photos():
    generator = np.random.default_rng(1)
    return generator.integers(0, 256, (5, SIDE, SIDE, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("branches"), "unit", ["ant", "bee", "cat", "dog", "emu"])


def folder_of(place, net, count):
    place.mkdir(exist_ok=True)
    size = (*net.size, 3)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, size).astype(np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
    return place


def column(result, method, measure):
    return result.values[result.methods.index(method), :, result.measures.index(measure)]


# -- what is planted -------------------------------------------------------------------------------


def test_of_a_linear_network_the_exact_map_is_exact(linear, photos):
    """Integrated gradients from gray are weight × input: what each pixel adds to the score."""
    exact = {"integrated_gradients": {"baseline": "gray"}, "saliency": {}, "occlusion": {}}
    result = og.evaluate(linear, photos, exact, target=1, measures=CHEAP, samples=60, steps=6)
    np.testing.assert_allclose(column(result, "integrated_gradients", "mu_fidelity"), 1, atol=1e-4)
    np.testing.assert_allclose(column(result, "integrated_gradients", "infidelity"), 0, atol=1e-6)
    # Gradient × I is exact too, but the magnitudes of the gradient are not.
    np.testing.assert_allclose(column(result, "saliency", "infidelity"), 0, atol=1e-6)
    assert column(result, "saliency", "mu_fidelity").max() < 0.9
    assert column(result, "random_pixels", "infidelity").min() > 0.2
    assert np.abs(column(result, "random_pixels", "mu_fidelity").mean()) < 0.4


def test_the_score_is_of_the_map_that_was_asked_for(linear, photos):
    """The areas are those of `check` on the same map, but for the order of equal values."""
    result = og.evaluate(linear, photos[:2], "saliency", target=1, measures=CHEAP[:2], steps=6)
    found = og.check(og.saliency(linear, photos[:2], 1), steps=6)
    for name, areas in (("deletion", found.deletion_area), ("insertion", found.insertion_area)):
        np.testing.assert_allclose(column(result, "saliency", name), areas[:, 0], atol=1e-5)


def test_a_random_method_is_like_the_random_map(linear, photos, monkeypatch):
    """A map of random values has the values of the random row, up to chance, and is not ranked."""
    real = methods.attribution_method("saliency")
    generator = np.random.default_rng(3)

    @wraps(real)
    def pretended(net, image, *given, **settings):
        found = real(net, image, *given, **settings)
        return replace(found, values=generator.random(found.values.shape, np.float32))

    monkeypatch.setattr(
        map_method,
        "attribution_method",
        lambda name: pretended if name == "saliency" else methods.attribution_method(name),
    )
    many = np.concatenate([photos, photos[:, ::-1], photos[:, :, ::-1]])
    exact = {"integrated_gradients": {"baseline": "gray"}, "saliency": {}}
    result = og.evaluate(linear, many, exact, target=1, measures=[*CHEAP, "randomization"])
    for name in CHEAP[:4]:
        row, rival = (column(result, one, name) for one in ("saliency", "random_pixels"))
        spread = np.sqrt((row.var() + rival.var()) / len(many))
        assert abs(row.mean() - rival.mean()) < 4 * spread
    assert abs(column(result, "saliency", "randomization").mean()) < 0.1
    assert result.best == "integrated_gradients"


def test_a_map_that_ignores_the_weights_is_not_ranked(net, monkeypatch):
    real = methods.attribution_method("saliency")

    @wraps(real)
    def edges(net, image, *given, **settings):
        found = real(net, image, *given, **settings)
        return replace(found, values=np.abs(np.gradient(np.asarray(image), axis=1)))

    monkeypatch.setattr(map_method, "attribution_method", lambda name: edges)
    photos = np.random.default_rng(0).integers(0, 256, (2, *net.size, 3)).astype(np.uint8)
    result = og.evaluate(net, photos, "saliency", measures=["insertion", "randomization"], steps=3)
    np.testing.assert_allclose(column(result, "saliency", "randomization"), 1)
    assert result.best is None and "hardly depends on the weights" in result.left_out["saliency"]
    assert result.sentence.startswith("No method is ranked")


def test_boxes_tell_where_the_object_is(linear, photos):
    result = og.evaluate(
        linear,
        photos[:2],
        ["saliency"],
        target=1,
        boxes=[(4, 5, 9, 11)] * 2,
        measures=["pointing_game", "box_energy"],
    )
    assert (column(result, "saliency", "pointing_game") == 1).all()
    assert column(result, "saliency", "box_energy").min() > 0.6
    assert column(result, "random_pixels", "box_energy").max() < 0.2
    assert result.best is None  # neither is a measure of faithfulness


# -- what is asked ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everything(net, tmp_path_factory):
    folder = folder_of(tmp_path_factory.mktemp("evaluated") / "photos", net, 3)
    asked = ["gradcam", "saliency"]
    return og.evaluate(net, folder, asked, measures="all", steps=3, samples=8, repeats=2)


def test_every_measure_has_a_value(everything):
    assert everything.methods == ("saliency", "gradcam", *RIVALS)
    assert everything.measures == tuple(n for n, m in MEASURES.items() if not m.needs_boxes)
    assert np.isfinite(everything.values[:2]).mean() > 0.9
    assert everything.interval.shape == (*everything.mean.shape, 2)
    low, high = everything.interval[0].T
    mean = everything.mean[0]
    known = np.isfinite(low)
    assert (low[known] <= mean[known] + 1e-9).all() and (mean[known] <= high[known] + 1e-9).all()
    assert everything.arguments_of("gradcam")["layer"]
    assert "layer" not in everything.arguments_of("saliency")
    with pytest.raises(InputError, match="saliency, gradcam"):
        everything.arguments_of("lrp")


def test_an_evaluation_is_saved_and_shown(everything, tmp_path):
    again = og.load_result(everything.save(tmp_path / "evaluation.npz"))
    np.testing.assert_array_equal(again.values, everything.values)
    assert again.table() == everything.table() and again.sentence == everything.sentence
    assert again.arguments == everything.arguments
    assert again.plot().width > 600
    assert "Grad-CAM" in everything.table() and "larger is better" in everything.table()


def test_values_do_not_depend_on_other_photos(net, everything, tmp_path):
    folder = folder_of(tmp_path / "photos", net, 1)
    alone = og.evaluate(
        net, folder, ["saliency", "gradcam"], measures="all", steps=3, samples=8, repeats=2
    )
    columns = [i for i, name in enumerate(alone.measures) if name != "seconds"]
    np.testing.assert_allclose(
        alone.values[:, 0, columns], everything.values[:, 0, columns], atol=1e-4
    )
    assert np.isnan(alone.interval).all() and alone.tied == alone.ranking


def test_methods_that_cannot_explain_the_network_have_a_reason():
    """A network without feature maps."""
    image = keras.Input((8, 8, 3))
    model = keras.Model(
        image, keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(image))
    )
    flat = og.Network(networks.fill(model) or model, "unit")
    photos = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    result = og.evaluate(flat, photos, ["saliency", "gradcam"], measures=["insertion"], steps=3)
    assert np.isnan(column(result, "gradcam", "insertion")).all()
    assert set(result.reasons) == {"gradcam"} and result.left_out["gradcam"]
    with pytest.raises(InputError, match="No method can explain"):
        og.evaluate(flat, photos, "gradcam")


def test_photos_that_cannot_be_read_are_listed(net, tmp_path):
    folder = folder_of(tmp_path / "photos", net, 2)
    (folder / "broken.jpg").write_bytes(b"no picture")
    result = og.evaluate(net, folder, "saliency", measures="insertion", steps=3)
    assert result.photos == ("0.png", "1.png") and set(result.unread) == {"broken.jpg"}
    with pytest.raises(InputError, match="None of the 1 photos"):
        og.evaluate(net, [folder / "broken.jpg"], "saliency")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"methods": "gradcan"}, "'gradcam'"),
        ({"methods": {"saliency": {"samples": 3}}}, "does not take samples"),
        ({"methods": {"saliency": {"score": "logit"}}}, "give it to evaluate itself"),
        ({"methods": []}, "at least one method"),
        ({"measures": "insertio"}, "'insertion'"),
        ({"measures": []}, "at least one measure"),
        ({"measures": "box_energy"}, "needs the boxes"),
        ({"target": 1, "truth": [0, 1]}, "not both"),
        ({"target": [1, 2]}, "must be one target"),
        ({"truth": "folders"}, "photos that come with their class"),
        ({"truth": [0]}, "give one for each"),
        ({"samples": 1}, "samples"),
    ],
)
def test_arguments_that_cannot_be_used_are_told(linear, photos, given, words):
    given = {"methods": "saliency", **given}
    with pytest.raises(InputError, match=words):
        og.evaluate(linear, list(photos[:2]), **given)


def test_the_true_class_is_explained(net, tmp_path):
    folder = folder_of(tmp_path / "photos", net, 2)
    (tmp_path / "truth.csv").write_text("photo,label\n0.png,dog\n1.png,ant\n")
    result = og.evaluate(
        net, folder, "saliency", truth=tmp_path / "truth.csv", measures="insertion", steps=3
    )
    assert [target.split()[0] for target in result.targets] == ["dog", "ant"]
    listed = [folder / "0.png", folder / "1.png"]
    same = og.evaluate(net, listed, "saliency", truth=["dog", 0], measures="insertion", steps=3)
    assert same.targets == result.targets


# -- the store -------------------------------------------------------------------------------------


class StoppedError(Exception):
    pass


def test_a_run_that_is_stopped_continues(net, tmp_path, monkeypatch):
    pytest.importorskip("zarr")
    folder, out = folder_of(tmp_path / "photos", net, 3), tmp_path / "evaluation.zarr"
    asked = {"measures": ["insertion", "sparseness"], "steps": 3, "samples": 4}
    calls = []

    def count(name):
        real = methods.attribution_method(name)

        @wraps(real)
        def counted(net, image, *given, **settings):
            calls.append(name)
            return real(net, image, *given, **settings)

        return counted

    monkeypatch.setattr(map_method, "attribution_method", count)

    def stop(done, total, what):
        if what.startswith("2.png"):
            raise StoppedError

    with pytest.raises(StoppedError):
        og.evaluate(net, folder, "saliency", out=out, progress=stop, **asked)
    assert calls == ["saliency"] * 2
    calls.clear()
    result = og.evaluate(net, folder, "saliency", out=out, **asked)
    assert calls == ["saliency"]  # the third photo
    calls.clear()
    whole = og.evaluate(net, folder, "saliency", **asked)
    np.testing.assert_allclose(result.values, whole.values, atol=1e-5)
    calls.clear()
    both = og.evaluate(net, folder, ["saliency", "gradcam"], out=out, **asked)
    assert calls == ["gradcam"] * 3
    np.testing.assert_array_equal(both.values[[0, 2, 3, 4]], result.values)
    calls.clear()
    more = og.evaluate(
        net, folder, "saliency", out=out, steps=3, samples=4, measures=["deletion", "insertion"]
    )
    assert calls == ["saliency"] * 3
    np.testing.assert_array_equal(more.values[:, :, 1], result.values[:, :, 0])
    calls.clear()
    folder_of(folder, net, 4)
    added = og.evaluate(net, folder, "saliency", out=out, **asked)
    assert calls == ["saliency"]
    np.testing.assert_array_equal(added.values[:, :3], result.values)
    with pytest.raises(InputError, match="other values of steps"):
        og.evaluate(net, folder, "saliency", out=out, **asked | {"steps": 4})
    with pytest.raises(InputError, match="another target"):
        og.evaluate(net, folder, "saliency", out=out, target=2, **asked)
    other = og.Network(networks.build("branches", seed=1), "unit", net.labels.names)
    with pytest.raises(InputError, match=r"other values of (model|weights)"):
        og.evaluate(other, folder, "saliency", out=out, **asked)
