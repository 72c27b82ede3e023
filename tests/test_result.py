"""Results: what they hold, how they are kept in files, and what files are refused."""

import copy
import dataclasses
import html
import json
import os
import pickle
import re
import zipfile

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure

import networks
import optogram as og
from optogram.errors import InputError, OutputError
from optogram.result import Attribution, FeatureMaps, GradCAM, Kernels, Occlusion, load_result

pytestmark = pytest.mark.once

PROVENANCE = {"network": "tiny", "origin": "a test", "backend": "none"}


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("branches"), "unit", ["ant", "bee", "cat", "dog", "emu"])


@pytest.fixture(scope="module")
def results(net):
    """One result of every kind, as methods make them."""
    x = networks.images_for(net.model)
    return {
        "Attribution": og.layercam(net, x, ["bee", 3]),
        "GradCAM": og.gradcam(net, x[:1], ["bee", 3]),
        "saliency": og.saliency(net, x),
        "GuidedAttribution": og.guided_backprop(net, x),
        "IntegratedGradients": og.integrated_gradients(net, x),
        "Occlusion": og.occlusion(net, x, patch=6, stride=5, margin=1, fill="mean"),
        "FeatureMaps": og.feature_maps(net, x, "stem")["stem"],
        "Kernels": og.kernels(net, "stem"),
    }


KINDS = [
    "Attribution",
    "GradCAM",
    "saliency",
    "GuidedAttribution",
    "IntegratedGradients",
    "Occlusion",
    "FeatureMaps",
    "Kernels",
]


def attribution(values, **more):
    values = np.asarray(values, np.float32)
    given = {
        "values": values,
        "method": "gradcam",
        "parameters": {"rectify": True},
        "provenance": PROVENANCE,
        "warnings": (),
        "images": np.zeros((len(values), 6, 6, 3), np.uint8),
        "targets": ("cat (2)",) * len(values),
        "score": np.ones(len(values), np.float32),
        **more,
    }
    return (Occlusion if "scores" in more else Attribution)(**given)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


# -- round trips -----------------------------------------------------------------------------------


def as_read(value):
    """A field as it comes out of a file: lists of numbers are lists there."""
    return json.loads(json.dumps(dict(value) if isinstance(value, dict) else value))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_is_what_is_loaded(kind, results, tmp_path):
    result = results[kind]
    path = result.save(tmp_path / "result.npz")
    assert path == tmp_path / "result.npz"
    back = load_result(path)
    assert type(back) is type(result)
    assert vars(back).keys() == vars(result).keys()
    for name, value in vars(result).items():
        found = getattr(back, name)
        if name == "question":  # it holds the network
            assert found is None
            continue
        if isinstance(value, np.ndarray):
            assert found.dtype == value.dtype
            np.testing.assert_array_equal(found, value)
        else:
            assert as_read(found) == as_read(value), name
    assert isinstance(back.warnings, tuple)


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_result_is_drawn_like_the_one_saved(kind, results, tmp_path):
    result = results[kind]
    back = load_result(result.save(tmp_path / "result.npz"))
    np.testing.assert_array_equal(np.asarray(back.plot()), np.asarray(result.plot()))


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_is_drawn_into_axes_of_ones_own(kind, results):
    """And the picture is the one that is returned without them."""
    ax = Figure().add_subplot()
    assert results[kind].plot(ax=ax) is ax
    np.testing.assert_array_equal(ax.images[0].get_array(), np.asarray(results[kind].plot()))
    for other in (Figure(), "axes"):
        with pytest.raises(InputError, match="axes of a Matplotlib figure"):
            results[kind].plot(ax=other)


def test_texts_of_any_language_survive(tmp_path):
    result = attribution(np.ones((1, 2, 2)), targets=("猫 − «кот» (2)",), warnings=("naïve ☃",))
    back = load_result(result.save(tmp_path / "結果.npz"))
    assert back.targets == result.targets
    assert back.warnings == result.warnings


def test_numbers_of_numpy_among_the_parameters_are_saved(net, tmp_path):
    x = networks.images_for(net.model, count=1)
    result = og.occlusion(net, x, 1, patch=8, fill=np.float32(40.0))
    assert load_result(result.save(tmp_path / "result.npz")).parameters["fill"] == 40


# -- writing ---------------------------------------------------------------------------------------


def test_saving_replaces_what_was_there(results, tmp_path):
    path = tmp_path / "result.npz"
    results["Kernels"].save(path)
    results["Attribution"].save(path)
    assert isinstance(load_result(path), Attribution)
    assert names_in(tmp_path) == ["result.npz"]


def test_a_torn_save_leaves_the_old_file_and_no_other(results, tmp_path, monkeypatch):
    path = results["Kernels"].save(tmp_path / "result.npz")
    before = path.read_bytes()

    def torn(file, **arrays):
        file.write(b"PK half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", torn)
    with pytest.raises(OutputError, match="No space left"):
        results["Attribution"].save(path)
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["result.npz"]


def test_a_save_that_is_interrupted_leaves_nothing(results, tmp_path, monkeypatch):
    def interrupted(file, **arrays):
        file.write(b"PK half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        results["Attribution"].save(tmp_path / "result.npz")
    assert names_in(tmp_path) == []


def test_others_may_read_what_was_saved(results, tmp_path):
    old = os.umask(0o022)
    try:
        path = results["Kernels"].save(tmp_path / "result.npz")
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("name", ["result.png", "result", "result.npy", "result.npz.jpg"])
def test_another_ending_is_refused(name, results, tmp_path):
    with pytest.raises(InputError) as error:
        results["Kernels"].save(tmp_path / name)
    assert repr(name) in str(error.value)
    assert ".npz" in str(error.value)
    assert names_in(tmp_path) == []


def test_places_that_cannot_be_written_to(results, tmp_path):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "folder.npz").mkdir()
    for path in ("file/result.npz", "nowhere/result.npz", "folder.npz"):
        with pytest.raises(OutputError) as error:
            results["Kernels"].save(tmp_path / path)
        assert str(tmp_path / path) in str(error.value)
        assert "\n" not in str(error.value)
    assert names_in(tmp_path) == ["file", "folder.npz"]


def test_a_result_can_be_saved_in_the_current_folder(results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results["Kernels"].save("result.npz")
    assert isinstance(load_result("result.npz"), Kernels)


# -- files that hold no result ---------------------------------------------------------------------


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def write_npz(path, manifest, **arrays):
    np.savez(path, manifest=np.array(manifest), **arrays)
    return path


def manifest_of(result, **changes):
    texts = {
        "format": "optogram result 1",
        "kind": type(result).__name__,
        "method": result.method,
        "parameters": dict(result.parameters),
        "provenance": dict(result.provenance),
        "warnings": list(result.warnings),
        "layer": result.layer,
        **changes,
    }
    return json.dumps(texts)


def assert_refused(path):
    with pytest.raises(InputError) as error:
        load_result(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_manifest_written_by_hand_is_read(results, tmp_path):
    # That what follows is refused for the one thing changed, and not for being made by hand.
    kernels = results["Kernels"]
    path = write_npz(tmp_path / "by_hand.npz", manifest_of(kernels), values=kernels.values)
    np.testing.assert_array_equal(load_result(path).values, kernels.values)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "optogram result 2"},
        {"format": None},
        {"kind": "Result2"},
        {"kind": ["Kernels"]},
        {"unknown": 1},
    ],
)
def test_manifests_of_something_else_are_refused(changes, results, tmp_path):
    kernels = results["Kernels"]
    manifest = manifest_of(kernels, **changes)
    assert_refused(write_npz(tmp_path / "other.npz", manifest, values=kernels.values))


@pytest.mark.parametrize("manifest", ["", "{", "[]", "null", "3", '"text"', "{}"])
def test_broken_manifests_are_refused(manifest, results, tmp_path):
    values = results["Kernels"].values
    assert_refused(write_npz(tmp_path / "broken.npz", manifest, values=values))


def test_a_manifest_without_its_arrays_is_refused(results, tmp_path):
    assert_refused(write_npz(tmp_path / "empty.npz", manifest_of(results["Kernels"])))


def test_files_of_other_programs_are_refused(tmp_path):
    np.savez(tmp_path / "foreign.npz", weights=np.ones(3))
    np.save(tmp_path / "array.npy", np.ones(3))
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "noise.npz").write_bytes(np.random.default_rng(0).bytes(1000))
    with zipfile.ZipFile(tmp_path / "archive.npz", "w") as archive:
        archive.writestr("manifest.npy", "no array")
    (tmp_path / "folder.npz").mkdir()
    for path in sorted(tmp_path.iterdir()):
        assert_refused(path)
    assert_refused(tmp_path / "missing.npz")


def test_pickles_are_refused_and_not_run(results, tmp_path):
    kernels = results["Kernels"]
    proof = tmp_path / "it_ran"
    bomb = np.array([Bomb(proof)], dtype=object)
    as_values = write_npz(tmp_path / "values.npz", manifest_of(kernels), values=bomb)
    np.savez(tmp_path / "manifest.npz", manifest=bomb, values=kernels.values)
    (tmp_path / "bare.npz").write_bytes(pickle.dumps(Bomb(proof)))
    for path in (as_values, tmp_path / "manifest.npz", tmp_path / "bare.npz"):
        assert_refused(path)
    assert not proof.exists()


def test_damaged_files_are_refused_or_hold_what_was_saved(tmp_path):
    values = np.arange(8, dtype=np.float32).reshape(2, 2, 1, 2)
    result = Kernels(values, "kernels", {}, PROVENANCE, (), "stem")
    path = result.save(tmp_path / "result.npz")
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [whole[:length] for length in range(0, len(whole), 7)]
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= int(rng.integers(1, 256))
        damaged.append(bytes(changed))
    for content in damaged:
        path.write_bytes(content)
        try:
            back = load_result(path)
        except InputError as error:
            assert "\n" not in str(error)
        else:
            np.testing.assert_array_equal(back.values, values)


# -- frozen ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_results_are_frozen(kind, results, tmp_path):
    loaded = load_result(results[kind].save(tmp_path / "result.npz"))
    for result in (results[kind], loaded):
        arrays = {k: v for k, v in vars(result).items() if isinstance(v, np.ndarray)}
        assert "values" in arrays
        for array in arrays.values():
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
        with pytest.raises(AttributeError):
            result.values = 0


def test_the_array_given_stays_writable():
    values = np.zeros((1, 2, 2), np.float32)
    attribution(values)
    values[0, 0, 0] = 1
    assert values.flags.writeable


# -- heatmap, mask, strongest ----------------------------------------------------------------------


def test_the_heatmap_of_a_gradient_is_its_largest_magnitude():
    values = [[[[1.0, -3.0, 2.0], [0.0, 0.0, 0.0]]]]
    np.testing.assert_array_equal(attribution(values).heatmap, [[[3, 0]]])


def test_the_heatmap_of_a_map_is_the_map_with_its_sign():
    np.testing.assert_array_equal(attribution([[[-2.0, 1.0]]]).heatmap, [[[-2, 1]]])


def test_the_mask_keeps_what_reaches_a_share_of_its_own_images_maximum():
    result = attribution([[[0.0, 5.0, 10.0]], [[0.2, 0.5, 1.0]]])
    np.testing.assert_array_equal(result.mask(0.5), [[[False, True, True]], [[False, True, True]]])
    np.testing.assert_array_equal(result.mask(1.0)[:, 0, :2], np.zeros((2, 2), bool))


def test_the_mask_of_an_occlusion_can_be_of_the_scores():
    scores = np.array([[[8.0, 3.0, 4.0]]], np.float32)
    result = attribution(10 - scores, scores=scores, exact=np.ones(scores.shape[1:], bool))
    np.testing.assert_array_equal(result.mask(0.5, of="scores"), [[[False, True, False]]])
    np.testing.assert_array_equal(result.mask(0.9), [[[False, True, False]]])
    with pytest.raises(InputError, match="'score'"):
        result.mask(0.5, of="score")


@pytest.mark.parametrize("draw", [Attribution.plot, lambda result: result.steps.plot()])
def test_small_images_are_drawn_large(draw):
    """As large as the same image with each pixel repeated, so that words beside fit."""
    generator = np.random.default_rng(0)
    images = generator.integers(256, size=(1, 28, 28, 1)).astype(np.uint8)
    maps = generator.random((1, 4, 4, 3), np.float32)
    values = maps.sum(axis=-1)
    sizes = set()
    for shown in (images, images.repeat(8, 1).repeat(8, 2)):
        made = attribution(values, images=shown)
        sizes.add(draw(GradCAM(**vars(made), maps=maps, gradients=maps)).size)
    assert len(sizes) == 1


def test_strongest_maps_come_first():
    values = np.zeros((1, 2, 2, 4), np.float32)
    values[0, :, :] = [1, 3, 2, 3]
    result = FeatureMaps(values, "feature_maps", {}, PROVENANCE, (), np.zeros((1, 4, 4, 3)), "conv")
    np.testing.assert_array_equal(result.strongest(3), [[1, 3, 2]])


def test_occlusion_values_stand_at_the_centers_of_their_patches(net):
    scores = np.array([[[3.0, 1.0], [2.0, 0.0]]], np.float32)
    result = attribution(
        4 - scores,
        scores=scores,
        exact=np.ones(scores.shape[1:], bool),
        parameters={"patch": (3, 3), "stride": (3, 3)},
        images=np.zeros((1, 6, 6, 3), np.uint8),
    )
    grid = result.map_on_image()
    assert grid.shape == (6, 6)
    np.testing.assert_allclose(grid[np.ix_([1, 4], [1, 4])], result.values[0])
    t = 1 / 3  # of the way, on a monotone cubic curve through 1, 1, 3, 3: flat at both ends
    np.testing.assert_allclose(grid[1, 2], 1 + (3 - 1) * (3 * t**2 - 2 * t**3), rtol=1e-6)
    corners = grid[np.ix_([0, 5], [0, 5])]  # nothing is known beyond the centers
    np.testing.assert_array_equal(corners, result.values[0])


# -- where a result came from ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_results_say_where_they_came_from(kind, results, net):
    result = results[kind]
    provenance = result.provenance
    assert provenance["network"] == net.name
    assert provenance["origin"] == "a model in memory"
    assert provenance["preparation"] == "unit"
    assert provenance["input"] == "16×16×3"
    assert provenance["keras"] == keras.__version__
    assert provenance["optogram"] == og.__version__
    titles = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
    assert provenance["backend"].startswith(titles[keras.config.backend()])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", provenance["time"])
    assert all(isinstance(value, str) for value in provenance.values())


@pytest.fixture
def covered():
    """An occlusion by cells of 3×3 without gaps, whose scores fall most at the lower left."""
    scores = np.array([[[8.0, 6.0], [2.0, 7.0]]], np.float32)
    return attribution(
        8 - scores,
        scores=scores,
        exact=np.ones((2, 2), bool),
        parameters={"patch": (3, 3), "stride": (3, 3)},
        images=np.full((1, 6, 6, 3), 200, np.uint8),
    )


def test_the_photo_seen_through_the_mask_of_an_occlusion(covered):
    photo = np.full((300, 600, 3), 200, np.uint8)
    seen = np.asarray(covered.through_mask(0.85, photo=photo, of="scores", light=0))
    kept = np.zeros((300, 600), bool)  # of the largest score, 0.85 is 6.8
    kept[:150, 300:] = kept[150:, :300] = True
    np.testing.assert_array_equal(seen, np.where(kept[..., None], photo, 0))
    seen = np.asarray(covered.through_mask(0.5, photo=photo, light=0))  # by what is lost: 6 of 6
    assert (seen > 0).all(-1).sum() == 150 * 300 and seen[299, 0, 0] == 200
    assert np.asarray(covered.through_mask(0.5)).shape == (228, 228, 3), "what the network saw"
    with pytest.raises(InputError, match='"scores"'):
        covered.through_mask(0.5, of="score")


def test_the_heat_of_an_occlusion_can_be_of_the_scores(covered):
    heat = np.asarray(covered.heat(of="scores", cmap="gray", bar=False)).astype(int)[..., 0]
    assert heat.shape == (6, 6)
    assert [heat[1, 1], heat[1, 4], heat[4, 1], heat[4, 4]] == [255, 191, 64, 223]
    lost = np.asarray(covered.heat(cmap="gray", bar=False))[..., 0]
    assert [lost[1, 1], lost[4, 1]] == [0, 255]
    over = np.asarray(covered.overlay(of="scores", style="added", opacity=1, bar=False))
    assert not np.array_equal(over, np.asarray(covered.overlay(style="added", bar=False)))
    with pytest.raises(InputError, match='"scores"'):
        covered.overlay(of="score")


def test_any_attribution_opens_the_photo_where_it_is_strong():
    result = attribution([[[0.0, 1.0], [3.0, 4.0]]], images=np.full((1, 240, 240, 3), 90, np.uint8))
    seen = np.asarray(result.through_mask(0.75, light=0))
    assert (seen[120:] == 90).all() and not seen[:120].any()


def test_only_the_even_style_takes_the_scale_of_the_attribution():
    result = attribution([[[1.0, 2.0], [3.0, -1.0]]])
    from optogram.render import overlay, visible

    for style in ("alpha", "added"):
        expected = overlay(
            visible(result.images[0]), result.values[0], style=style, unit=result.unit
        )
        np.testing.assert_array_equal(result.overlay(style=style), expected)


def test_results_say_what_was_asked(results):
    assert results["Attribution"].method == "layercam"
    assert results["Attribution"].targets == ("bee (1)", "dog (3)")
    assert results["Attribution"].layer == "last"
    parameters = results["Occlusion"].parameters
    assert parameters == {
        "patch": (6, 6),
        "stride": (5, 5),
        "fill": "mean",
        "fill_space": "display",
        "margin": 1,
        "score": "logit",
        "incremental": True,
        "precision": "exact",
    }


def test_pictures_are_what_the_network_was_shown(results, net):
    x = networks.images_for(net.model)
    np.testing.assert_array_equal(results["saliency"].images, np.rint(x * 255).astype(np.uint8))
    assert results["saliency"].images.dtype == np.uint8


# -- in notebooks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_notebooks_show_a_picture_and_words(kind, results):
    shown = results[kind]._repr_html_()
    assert re.search(r'<img src="data:image/png;base64,[A-Za-z0-9+/=]{100,}"', shown)
    assert results[kind].method in shown


def test_notebooks_escape_what_models_and_warnings_say():
    evil = "<script>alert('x')</script>"
    result = attribution(
        np.ones((1, 2, 2)),
        provenance={**PROVENANCE, "network": evil},
        warnings=(f"5 < 6 & {evil}",),
    )
    shown = result._repr_html_()
    assert "<script" not in shown
    assert shown.count(html.escape(evil)) == 2
    assert "5 &lt; 6 &amp; " in shown


# -- masks ----------------------------------------------------------------------------------------

NAN = np.nan


@pytest.mark.parametrize(
    ("heat", "kept"),
    [
        ([0.0, 0.0, 0.0], [0, 0, 0]),
        ([3.0, 3.0, 3.0], [0, 0, 0]),
        ([-1.0, -2.0, -4.0], [0, 0, 0]),
        ([0.0, -2.0, -4.0], [0, 0, 0]),
        ([-9.0, 1.0, 2.0], [0, 1, 1]),
        ([NAN, 1.0, 2.0], [0, 1, 1]),
        ([np.inf, 1.0, 3.0], [0, 0, 1]),
        ([-np.inf, 1.0, 3.0], [0, 0, 1]),
        ([NAN, NAN, NAN], [0, 0, 0]),
    ],
)
def test_a_mask_keeps_only_what_speaks_for_the_target(heat, kept):
    result = attribution(
        [[heat], [[0.0, 1.0, 2.0]]], images=np.full((2, 240, 240, 3), 90, np.uint8)
    )
    assert result.mask(0.5).dtype == bool
    assert result.mask(0.5).astype(int).tolist() == [[kept], [[0, 1, 1]]]
    height = 240 if any(kept) else 250
    assert result.through_mask(0.5).height >= height, "a picture of nothing says so above it"
    assert result.through_mask(0.5, 1).size == (240, 240)


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ([0.0, 0.0], [0, 0]),
        ([-8.0, -2.0], [0, 0]),
        ([5.0, 5.0], [0, 0]),
        ([-1.0, 4.0], [1, 0]),
        ([NAN, 4.0], [0, 0]),
    ],
)
def test_a_mask_of_scores_needs_scores_above_zero(scores, kept):
    scores = np.array([[scores]], np.float32)
    result = attribution(10 - scores, scores=scores, exact=np.ones((1, 2), bool))
    assert result.mask(0.5, of="scores")[0, 0].astype(int).tolist() == kept


@pytest.mark.parametrize("t", [0, -0.5, 1.01, NAN, "half", None])
def test_a_share_that_no_mask_can_keep(t):
    with pytest.raises(InputError, match=r"^t must be a finite number|above 0 and at most 1"):
        attribution([[[1.0, 2.0]]]).mask(t)


# -- maps on the photo, where the network looked ---------------------------------------------------


def marked(side):
    """A photo of 60×90, black but for a gray square of 10 in its left or right third."""
    photo = np.zeros((60, 90, 3), np.uint8)
    left = {"left": 20, "right": 60}[side]
    photo[25:35, left : left + 10] = 100
    return photo


def sums_pixels(side=30):
    """A network whose score is the sum of its pixels: black patches lower it at the gray square."""
    image = keras.Input((side, side, 3))
    dense = keras.layers.Dense(2, name="dense")
    model = keras.Model(image, dense(keras.layers.Flatten()(image)))
    kernel = np.zeros((side * side * 3, 2), np.float32)
    kernel[:, 1] = 1
    dense.set_weights([kernel, np.zeros(2, np.float32)])
    return og.Network(model, "unit")


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_maps_lie_on_the_photo_where_the_network_looked(fit, side, tmp_path):
    net, photo = sums_pixels(), marked(side)
    result = og.occlusion(net, net.prepare(photo, fit), 1, patch=2, stride=1, fill=0.0)
    assert result.fit == fit and result.photo_size.tolist() == [[60, 90]]
    again = load_result(result.save(tmp_path / "result.npz"))
    for found in (result, again, pickle.loads(pickle.dumps(result))):
        big = np.repeat(np.repeat(photo, 4, 0), 4, 1)
        kept = np.asarray(found.through_mask(0.5, photo=big, light=0))[..., 0] > 0
        lit = big[..., 0] > 0
        assert kept[lit].mean() > 0.4, "the square is seen"
        style = {"style": "added", "cmap": ["black", "white"], "opacity": 1, "bar": False}
        overlaid = np.asarray(found.overlay(photo=big, **style)).astype(int)
        # At its borders the gray of the padding counts too.
        rows, columns = np.nonzero((overlaid - big)[40:200, :, 0] > 100)
        assert abs(rows.mean() - 80) < 12
        assert abs(columns.mean() - {"left": 100, "right": 260}[side]) < 12
        if fit == "crop":  # of 90 columns the middle 60
            assert np.array_equal(overlaid[:, :58], big[:, :58])


def test_maps_of_layers_lie_there_too():
    net = og.Network(networks.build("branches"), "unit")
    photo = np.random.default_rng(0).integers(0, 255, (240, 480, 3)).astype(np.uint8)
    fed = [net.prepare(photo, "crop"), photo]
    for image, more in (
        (fed[0], {}),
        (fed[1], {"fit": "crop"}),
        (fed[1], {"fit": "crop", "size": (16, 16)}),
    ):
        maps = og.feature_maps(net, image, "stem", **more)["stem"]
        assert maps.parameters["fit"] == "crop"
        np.testing.assert_allclose(maps.seen, [[0, 0.25, 1, 0.75]])
        over = np.asarray(maps.overlay(photo=photo, bar=False))
        assert np.array_equal(over[:, :120], photo[:, :120])
        assert np.array_equal(over[:, 360:], photo[:, 360:])
        assert not np.array_equal(over[:, 120:360], photo[:, 120:360])


def test_each_explanation_remembers_its_own_photo(net):
    tall, wide = (np.full(shape, 99, np.uint8) for shape in ((40, 20, 3), (20, 40, 3)))
    x = net.prepare([tall, wide], "pad")
    assert og.saliency(net, x).seen.tolist() == [[0, -0.5, 1, 1.5], [-0.5, 0, 1.5, 1]]
    assert og.gradcam(net, x[1:], [0, 1, 2]).seen.tolist() == [[-0.5, 0, 1.5, 1]] * 3
    assert og.saliency(net, x * 1).seen.tolist() == [[0, 0, 1, 1]] * 2, "arithmetic forgets"
    with pytest.raises(InputError, match="40×20 pixels, the explained photo had 20×40"):
        og.saliency(net, x[1:]).overlay(photo=tall)
    og.saliency(net, np.asarray(x[1:])).overlay(photo=tall)
    og.saliency(net, x[1:]).overlay(photo=wide[::20, ::20])


def test_files_without_a_memory_are_of_the_whole_photo(results, tmp_path):
    path = results["Attribution"].save(tmp_path / "result.npz")
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    texts = json.loads(str(arrays["manifest"]))
    for name in ("seen", "photo_size"):
        del arrays[name]
    del texts["fit"]
    np.savez(path, **{**arrays, "manifest": np.array(json.dumps(texts))})
    back = load_result(path)
    assert back.seen.tolist() == [[0, 0, 1, 1]] * 2 and back.fit == "stretch"
    np.savez(
        path, **{**arrays, "manifest": np.array(json.dumps(texts)), "seen": np.full((2, 4), NAN)}
    )
    with pytest.raises(InputError, match="damaged"):
        load_result(path)


def test_files_of_earlier_versions_are_read_in_the_words_of_today(results, tmp_path):
    result = results["Attribution"]
    path = result.save(tmp_path / "result.npz")
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    texts = json.loads(str(arrays["manifest"]))
    texts["fit"] = texts["parameters"]["fit"] = "squash"
    texts["parameters"] |= {"rule": "rms", "rate": 2.0, "centre": 3.0, "baseline": "grey"}
    texts["source"] = texts.pop("provenance")
    np.savez(path, **{**arrays, "manifest": np.array(json.dumps(texts))})
    back = load_result(path)
    assert back.fit == "stretch" and back.provenance == result.provenance
    current = {"optimizer": "rms", "learning_rate": 2.0, "center": 3.0, "baseline": "gray"}
    assert {"fit": "stretch", **current}.items() <= back.parameters.items()
    assert not {"rule", "rate", "centre"} & set(back.parameters)
    for method, former, current in (
        ("integrated_gradients", "steps", "points"),
        ("smoothgrad", "n", "samples"),
        ("check", "steps", "steps"),
    ):
        texts |= {"method": method, "parameters": {former: 7}}
        np.savez(path, **{**arrays, "manifest": np.array(json.dumps(texts))})
        assert load_result(path).parameters == {current: 7}
    former = dataclasses.replace(result, fit="squash")
    assert pickle.loads(pickle.dumps(former)).fit == "stretch"


# -- pickle, copies and NumPy ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_results_are_pickled_copied_and_taken_for_arrays(kind, results):
    result = results[kind]
    for back in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result), copy.copy(result)):
        assert type(back) is type(result)
        for name, value in vars(result).items():
            if name == "question":
                continue
            found = getattr(back, name)
            np.testing.assert_array_equal(found, value)
            assert not isinstance(value, np.ndarray) or not found.flags.writeable
    if hasattr(result, "question"):
        assert pickle.loads(pickle.dumps(result)).question is None
        assert copy.deepcopy(result).question.net is result.question.net
    array = np.asarray(result)
    assert array is result.values
    assert np.array(result).flags.writeable and np.asarray(result, np.float64).dtype == np.float64
    assert np.mean(result) == result.values.mean()


# -- titles and units ------------------------------------------------------------------------------


def test_results_know_their_title_and_the_unit_of_their_values(net):
    image, layer = np.zeros((1, *net.size, 3), np.float32), net.default_layer
    assert og.saliency(net, image, 1).unit == "logit per unit of input"
    assert og.saliency(net, image, 1, score="probability").unit == "probability per unit of input"
    assert og.gradcam(net, image, og.Filter(layer, 1), layer).unit == "activation"
    assert og.gradcam(net, image, og.Class(1) + og.Filter(layer, 1), layer).unit == "score"
    found = og.gradcam_plus_plus(net, image)
    assert (found.title, found.unit) == ("Grad-CAM++", "logit")
    assert og.scorecam(net, image).unit == "activation"


def test_every_method_has_a_title_of_its_own():
    from optogram.methods import ATTRIBUTIONS
    from optogram.result.titles import method_title

    titles = [method_title(method) for method in ATTRIBUTIONS]
    assert len(set(titles)) == len(titles)
    assert not set(titles) & set(ATTRIBUTIONS)


# -- pictures --------------------------------------------------------------------------------------


def of_photo(size, fit="stretch", names=("cat (2)",), **more):
    count = len(names)
    return attribution(
        np.arange(4.0).reshape(1, 2, 2).repeat(count, axis=0),
        images=np.zeros((count, 32, 32, 3), np.uint8),
        targets=names,
        photo_size=np.array([size] * count),
        fit=fit,
        **more,
    )


def test_a_stretched_photo_is_shown_in_its_own_proportions():
    wide, high, square = (of_photo(size) for size in ((100, 400), (600, 300), (3000, 3000)))
    for result, ratio in ((wide, 4), (high, 0.5), (square, 1)):
        height, width = result.shown_size()
        assert width / height == pytest.approx(ratio, rel=0.02)
        assert result.picture().size == (width, height)
        assert result.shown_size(cell=400) == (round(400 / max(1, ratio)), min(400, 400 * ratio))
    for fit in ("crop", "pad"):
        height, width = of_photo((100, 400), fit).shown_size()
        assert height == width  # what the network saw has no other proportions
    unknown = of_photo((0, 0))
    assert unknown.shown_size() == (224, 224)
    assert min(of_photo((10, 400)).shown_size()) >= 100


def test_plots_are_as_large_as_asked_for():
    small, large = (of_photo((100, 100)).plot(cell=cell) for cell in (100, 400))
    assert large.height - small.height > 280 and large.width - small.width > 900
    with pytest.raises(InputError, match="too large"):
        og.side_by_side([of_photo((100, 100), names=["a"] * 9)] * 4, cell=10_000)
    with pytest.raises(InputError, match="cell"):
        of_photo((100, 100)).plot(cell=0)


def test_long_names_shift_no_column():
    short, long = ([of_photo((90, 90), names=["a", name])] * 3 for name in ("b", "very long " * 20))
    pictures = [np.asarray(og.side_by_side(results)) for results in (short, long)]
    # From the right: captions stand at the left, in a column that is wider at most up to its limit.
    columns = [
        np.flatnonzero((picture[::-1, ::-1] == 0).all(-1).sum(0) > 100) for picture in pictures
    ]
    assert np.array_equal(*columns)
    assert pictures[1].shape[0] == pictures[0].shape[0]
