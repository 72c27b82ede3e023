"""Activation atlases: against literal sampling, means and gradients; layout, files, pictures."""

import builtins
import dataclasses

import keras
import numpy as np
import pytest
from PIL import Image

import networks
import optogram as og
import optogram.render
from optogram.errors import InputError, OutputError, PhotoError
from optogram.graph.steps import Output
from optogram.methods.mapping.layout import cells_of, laid_out, normalized
from optogram.methods.mapping.samples import Sampler, random_positions

pytestmark = pytest.mark.once

N = 60
LAYER = "branch5"


@pytest.fixture(scope="module")
def model():
    return networks.build("branches")


@pytest.fixture(scope="module")
def net(model):
    return og.Network(model, "unit")


@pytest.fixture(scope="module")
def pictures():
    """Half of them dark, half of them bright."""
    pictures = np.random.default_rng(0).integers(0, 120, (N, 16, 16, 3), np.uint8)
    pictures[1::2] += 130
    return pictures


@pytest.fixture(scope="module")
def made(net, pictures):
    """An atlas on a layout by hand: some cells have few samples, one has zeros only."""

    def by_hand(found, seed):
        places = np.random.default_rng(seed).random((len(found), 2), np.float32)
        places[:, 0] = 0.3 + 0.7 * places[:, 0] ** 4
        places[~found.any(axis=1)] *= 0.2
        return places

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optogram.methods.activation_atlas.laid_out", by_hand)
        return og.activation_atlas(
            net, LAYER, list(pictures), grids=(4, 2), least=3, steps=2, positions=2
        )


def activations_of(net, pictures, layer, photos, positions):
    """The activations at positions, read from the maps of each photo."""
    maps = og.feature_maps(net, list(pictures), layer)[layer].values
    return maps[photos, positions[:, 0], positions[:, 1]]


# -- samples and cells -----------------------------------------------------------------------------


def test_cells_are_the_means_of_what_lies_in_them(made, net, pictures):
    vectors = activations_of(net, pictures, LAYER, made.sampled, made.positions)
    assert len(vectors) == 2 * N
    seen = 0
    for side in (2, 4):
        for row in range(side):
            for column in range(side):
                x, y = made.layout.T
                inside = (x * side >= column) & (y * side >= row)
                inside &= (x * side < column + 1) | (column == side - 1)
                inside &= (y * side < row + 1) | (row == side - 1)
                cell = (made.cell_grids == side) & (made.places == (row, column)).all(axis=1)
                assert cell.sum() == (inside.sum() >= 3)
                if cell.any():
                    seen += 1
                    expected = vectors[inside].mean(axis=0)
                    np.testing.assert_allclose(made.values[cell][0], expected, rtol=1e-4, atol=1e-6)
                    assert made.counts[cell] == inside.sum()
                    members = made.members[cell][0]
                    assert inside[members[members >= 0]].all()
    assert seen == len(made.values) > 3


def test_positions_are_inside_the_border_and_come_from_the_seed(made, net):
    assert made.parameters["maps"] == (14, 14)
    assert made.positions.min() >= 1
    assert made.positions.max() <= 12
    assert len(np.unique(made.positions[:, 0])) > 8
    pairs = made.positions.reshape(N, 2, 2)
    assert (pairs[:, 0] != pairs[:, 1]).any(axis=1).all()
    take, other = random_positions(2, 0), random_positions(2, 1)
    np.testing.assert_array_equal(take(7, (14, 14)), pairs[7])
    assert any((take(i, (14, 14)) != other(i, (14, 14))).any() for i in range(5))
    assert {tuple(at) for at in random_positions(50, 0)(0, (4, 3)).tolist()} == {
        (y, x) for y in range(4) for x in range(3)
    }


@pytest.mark.each_backend
def test_contributions_are_activation_times_gradient(net, model, pictures):
    """Against central differences of the logits, of a model from the layer to the end."""
    output = Output(net.step("last").index)
    sampler = Sampler(net, output, "stretch", random_positions(1, 3), None)
    samples = sampler.of_list(list(pictures[:3]), None, lambda *_: None)
    inner = keras.Model(model.input, model.get_layer("last").output)
    head = model.get_layer("predictions")
    maps = np.asarray(keras.ops.convert_to_numpy(inner(net.prepare(list(pictures[:3])))))

    def logits(maps):
        return maps.mean(axis=(1, 2)) @ np.asarray(head.kernel) + np.asarray(head.bias)

    for i, (y, x) in enumerate(samples.positions):
        h = maps[i, y, x]
        np.testing.assert_allclose(samples.activations[i], h, rtol=1e-4, atol=1e-6)
        raised, lowered = maps[i : i + 1].copy(), maps[i : i + 1].copy()
        raised[0, y, x] += h
        lowered[0, y, x] -= h
        expected = (logits(raised) - logits(lowered))[0] / 2
        np.testing.assert_allclose(samples.contributions[i], expected, rtol=1e-3, atol=1e-6)


def test_the_class_of_a_cell_has_the_largest_mean_contribution(made, net, pictures):
    sampler = Sampler(net, Output(net.step(LAYER).index), "stretch", random_positions(2, 0), None)
    samples = sampler.of_list(list(pictures), None, lambda *_: None)
    cells = cells_of(made.layout, (2, 4), 3)
    for cell, own in enumerate(cells.members):
        means = samples.contributions[own].mean(axis=0)
        assert made.classes[cell] == means.argmax()
        assert made.contributions[cell] == pytest.approx(means.max(), rel=1e-4)
        assert made.label(cell) == net.labels.names[means.argmax()]


def test_with_many_classes_only_predicted_ones_count(net, pictures, monkeypatch):
    monkeypatch.setattr("optogram.methods.mapping.samples.EVERY_CLASS", 2)
    sampler = Sampler(net, Output(net.step("last").index), "stretch", random_positions(1, 0), None)
    found = sampler.of_list(list(pictures), None, lambda *_: None)
    monkeypatch.undo()
    every = sampler.of_list(list(pictures), None, lambda *_: None)
    predicted = net.scores(list(pictures)).argmax(axis=1)
    np.testing.assert_array_equal(found.predicted, predicted)
    expected = every.contributions[np.arange(N), predicted]
    np.testing.assert_allclose(found.contributions[:, 0], expected, rtol=1e-3, atol=1e-6)


# -- layout ----------------------------------------------------------------------------------------


def test_groups_that_differ_lie_apart():
    """By UMAP, whose compilation takes most of the time of this file."""
    generator = np.random.default_rng(0)
    groups = np.arange(60) % 2
    vectors = np.eye(8, dtype=np.float32)[groups] + 0.2 * generator.random((60, 8), np.float32)
    found = laid_out(vectors, seed=0)
    assert found.shape == (60, 2)
    assert (found.min(), found.max()) == (0, 1)
    nearest = np.linalg.norm(found[:, None] - found[None], axis=-1) + 9 * np.eye(60)
    assert (groups[nearest.argmin(axis=1)] == groups).mean() > 0.9
    np.testing.assert_array_equal(laid_out(vectors, seed=0), found)


def test_a_layout_is_cut_as_lucid_cuts_it():
    places = np.random.default_rng(0).standard_normal((500, 2)) * [1, 20] + [3, -4]
    places[7] = 1e6
    low, high = np.percentile(places[:, 0], 1), np.percentile(places[:, 0], 99)
    cut = np.clip(places[:, 0], low - 0.1 * (high - low), high + 0.1 * (high - low))
    expected = (cut - cut.min()) / (cut.max() - cut.min())
    found = normalized(places)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5, atol=1e-6)
    assert found[7].tolist() == [1, 1]


# -- icons -----------------------------------------------------------------------------------------


def test_icons_maximize_the_direction_of_their_cell(made, net):
    alive = made.values.any(axis=1)
    units = made.values[alive] / np.linalg.norm(made.values[alive], axis=1, keepdims=True)
    expected = og.maximize(net, og.Direction(LAYER, units), steps=2, cosine=2, side=16)
    assert made.icons.shape == (len(made.values), 16, 16, 3)
    assert 0 < alive.sum() < len(alive)
    # The loop may be compiled for another number of images, and round in another way.
    assert np.abs(made.icons[alive].astype(int) - expected.images).max() <= 2
    assert (made.icons[~alive] == 128).all()


def test_whitened_directions_take_the_second_moments_out(net, pictures, monkeypatch):
    asked = []

    def maximize(net, target, *others, **named):
        asked.append(np.array(target.vector))
        return og.maximize(net, target, *others, **named)

    monkeypatch.setattr("optogram.methods.activation_atlas.maximize", maximize)
    base = atlas_without_umap(net, pictures)
    white = og.activation_atlas(
        net, LAYER, list(pictures), grids=(2,), least=3, steps=1, layout=base, whiten=True
    )
    h = activations_of(net, pictures, LAYER, white.sampled, white.positions).astype(np.float64)
    moments = h.T @ h / len(h)
    moments += np.eye(len(moments)) * 1e-3 * np.diag(moments).mean()
    expected = white.values @ np.linalg.inv(moments)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(asked[-1], expected, rtol=1e-2, atol=1e-3)


def atlas_without_umap(net, pictures, layer=LAYER, **named):
    """An atlas whose layout is random: what is laid out does not matter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "optogram.methods.activation_atlas.laid_out",
            lambda found, seed: np.random.default_rng(0).random((len(found), 2), np.float32),
        )
        named = {"grids": (2,), "least": 3, "steps": 1, **named}
        return og.activation_atlas(net, layer, pictures_or(pictures), **named)


def pictures_or(pictures):
    return list(pictures) if isinstance(pictures, np.ndarray) else pictures


# -- another layer on the same layout --------------------------------------------------------------


def test_another_layer_on_the_same_layout_has_the_same_members(net, pictures):
    base = atlas_without_umap(net, pictures)
    other = og.activation_atlas(
        net, "stem", list(pictures), grids=(2,), least=3, steps=1, layout=base
    )
    np.testing.assert_array_equal(other.sampled, base.sampled)
    np.testing.assert_array_equal(other.layout, base.layout)
    np.testing.assert_array_equal(other.counts, base.counts)
    assert other.values.shape[1] == 4
    assert np.abs(other.positions - base.positions).max() == 0  # maps of the same size
    with pytest.raises(InputError, match="other photos"):
        og.activation_atlas(net, "stem", list(pictures[:50]), steps=1, layout=base)


def test_dense_layers_and_networks_without_classes(pictures):
    net = og.Network(networks.build("fused"), "unit")
    found = atlas_without_umap(net, pictures, "hidden")
    step = net.step("hidden")
    (units,) = net.evaluate(np.asarray(net.prepare(list(pictures))), [Output(step.index)])
    np.testing.assert_allclose(
        (found.values * found.counts[:, None]).sum(axis=0), units.sum(axis=0), rtol=1e-3
    )
    assert (found.windows == [0, 0, 16, 16]).all()
    inputs = keras.Input((16, 16, 3))
    maps = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    scored = og.Network(keras.Model(inputs, keras.layers.Conv2D(3, 1)(maps)), "unit")
    bare = atlas_without_umap(scored, pictures, "conv")
    assert (bare.classes == -1).all()
    assert bare.labels == ()
    assert bare.label(0) == ""


# -- atlases side by side --------------------------------------------------------------------------


def test_atlases_side_by_side_show_one_grid_of_each(net, pictures):
    base = atlas_without_umap(net, pictures, grids=(2, 3))
    other = og.activation_atlas(
        net, "stem", list(pictures), grids=(3, 30), least=1, steps=1, layout=base
    )
    picture = np.asarray(og.side_by_side([base, other], cell=16))
    columns = [tiles(picture, atlas.plot(3, 16)) for atlas in (base, other)]
    assert columns[0][0] == columns[1][0]  # in one row
    assert columns[0][1] + 3 * 16 < columns[1][1]
    below = np.asarray(og.side_by_side([base, other], columns=1, cell=16))
    assert tiles(below, other.plot(3, 16))[0] > tiles(below, base.plot(3, 16))[0] + 3 * 16
    default = max(icon.plot(3).width for icon in (base, other))
    assert og.side_by_side([base, other]).width > 2 * default == 2 * 3 * 80
    with pytest.raises(InputError, match="are of 3 rows, none of 2"):
        og.side_by_side([base, other], grid=2)


def tiles(picture, part):
    """(top, left) of ``part``, which ``picture`` contains once."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, np.asarray(part).shape)
    found = np.argwhere((windows[:, :, 0] == np.asarray(part)).all(axis=(-1, -2, -3)))
    assert len(found) == 1
    return tuple(found[0].tolist())


def test_what_tells_atlases_side_by_side_apart_is_written(net, pictures, monkeypatch):
    asked = []

    def grid(*others, labels, **named):
        asked.append(labels)
        return grids(*others, labels=labels, **named)

    grids = optogram.render.grid
    monkeypatch.setattr("optogram.render.grid", grid)
    base = atlas_without_umap(net, pictures)
    moved = dataclasses.replace(base, layout=1 - base.layout)
    of_other = dataclasses.replace(base, provenance={**base.provenance, "network": "other"})
    og.side_by_side([base, base])
    og.side_by_side([base, moved])
    og.side_by_side([base, of_other])
    assert asked == [
        [LAYER, LAYER],
        [LAYER, f"{LAYER}, own layout"],
        [f"{net.name}, {LAYER}", f"other, {LAYER}"],
    ]


def test_what_cannot_be_shown_side_by_side(net, pictures):
    base = atlas_without_umap(net, pictures, grids=(2,))
    finer = dataclasses.replace(base, layer="stem", cell_grids=base.cell_grids + 1)
    with pytest.raises(
        InputError,
        match=f"no grid in common: '{LAYER}' has 2; 'stem' has 3 rows. .* with the same grids",
    ):
        og.side_by_side([base, finer])
    map_ = og.saliency(net, pictures[0], 0)
    with pytest.raises(InputError, match=r"sequence of Attributions or a .* of ActivationAtlases"):
        og.side_by_side([base, map_])
    with pytest.raises(InputError, match="grid is for activation atlases"):
        og.side_by_side([map_], grid=2)
    with pytest.raises(InputError, match="too large"):
        og.side_by_side([base, base], cell=10_000)


# -- photos ----------------------------------------------------------------------------------------


@pytest.fixture
def folder(pictures, tmp_path):
    place = tmp_path / "photos"
    place.mkdir()
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(place / f"{i:02}.png")
    return place


def test_photos_that_cannot_be_read_are_skipped_and_listed(net, folder):
    (folder / "07.png").write_bytes(b"no picture")
    found = atlas_without_umap(net, folder)
    assert found.unread == (str(folder / "07.png"),)
    assert 7 not in found.sampled
    assert len(found.sampled) == N - 1
    assert any("07.png" in warning for warning in found.warnings)
    with pytest.raises(PhotoError, match=r"07\.png"):
        atlas_without_umap(net, [str(path) for path in sorted(folder.iterdir())])


def test_a_stream_gives_the_same_as_a_list(net, pictures):
    of_list = atlas_without_umap(net, pictures)
    of_stream = atlas_without_umap(net, iter(list(pictures)))
    np.testing.assert_allclose(of_stream.values, of_list.values, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(of_stream.positions, of_list.positions)
    assert of_stream.crop(5).size == of_list.crop(5).size
    with pytest.raises(InputError, match="stream cannot be read again"):
        og.activation_atlas(net, LAYER, iter(list(pictures)), checkpoint="x")


def test_crops_are_the_receptive_fields(net, pictures):
    found = atlas_without_umap(net, pictures)
    top, left, bottom, right = found.windows[9].astype(int)
    crop = np.asarray(found.crop(9)).astype(int)
    inside = pictures[found.sampled[9]][top:bottom, left:right]
    assert crop.shape == inside.shape
    assert (crop == inside).all(axis=-1).mean() > 0.3  # all but the ring
    assert not (crop == inside).all()


# -- interruptions and files -----------------------------------------------------------------------


def test_an_interrupted_run_goes_on(net, folder, tmp_path, monkeypatch):
    whole = atlas_without_umap(net, folder)
    place = tmp_path / "kept"
    monkeypatch.setattr("optogram.methods.request.checkpoint._SECONDS", 0.0)
    monkeypatch.setattr("optogram.methods.request.checkpoint._SHARE", 1e9)
    reads = []

    def stop(done, total, what):
        reads.append((done, what))
        if what == "photos" and done < total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atlas_without_umap(net, folder, checkpoint=place, progress=stop)
    assert (place / "samples.npz").exists()
    told = []
    again = atlas_without_umap(
        net, folder, checkpoint=place, progress=lambda done, _, what: told.append((done, what))
    )
    assert told[0][0] > reads[0][0]
    for name in ("values", "icons", "members", "classes", "positions"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name), name)
    with pytest.raises(InputError, match="another run"):
        atlas_without_umap(net, folder, checkpoint=place, seed=1)
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(folder / "03.png")
    with pytest.raises(InputError, match="another run"):
        atlas_without_umap(net, folder, checkpoint=place)


def test_an_atlas_is_saved_and_loaded(made, tmp_path):
    back = og.load_result(made.save(tmp_path / "atlas.npz"))
    for item in dataclasses.fields(made):
        if item.name not in ("opened", "parameters", "provenance"):
            np.testing.assert_array_equal(
                getattr(back, item.name), getattr(made, item.name), item.name
            )
    assert sorted(back.grids) == [2, 4]
    with pytest.raises(InputError, match="no longer there"):
        back.crop(0)


def test_the_picture_has_icons_at_their_places(made):
    chosen = made.grids[4]
    picture = np.asarray(made.plot(4, cell=16, names=False))
    assert picture.shape == (64, 64, 3)
    full = np.zeros((4, 4), bool)
    for cell, row, column in zip(chosen.cells, chosen.rows, chosen.columns, strict=True):
        full[row, column] = True
        tile = picture[row * 16 : row * 16 + 16, column * 16 : column * 16 + 16]
        np.testing.assert_array_equal(tile, made.icons[cell])
    blank = picture.reshape(4, 16, 4, 16, 3).min(axis=(1, 3, 4)) == 255
    np.testing.assert_array_equal(blank, ~full)
    named = np.asarray(made.plot(4, cell=16))
    assert (named != picture).any()
    assert made.plot().size == (4 * 80, 4 * 80)
    with pytest.raises(InputError, match="grids of 2, 4 rows, none of 3"):
        made.plot(3)


# -- what cannot be asked --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"layer": "nothing"}, "nothing"),
        ({"grids": ()}, "grids must be"),
        ({"grids": (0,)}, "grids must be"),
        ({"least": 0}, "least must be"),
        ({"positions": 0}, "positions must be"),
        ({"photos": []}, "at least one"),
        ({"photos": 3}, "16 samples at least, but there are 3"),
        ({"least": 100}, "No cell of the 10×10 grid has 100 samples"),
        ({"color": 3}, "no field 'color'"),
    ],
)
def test_what_cannot_be_asked(net, pictures, arguments, words, monkeypatch):
    photos = list(pictures)
    if isinstance(arguments.get("photos"), int):
        photos = photos[: arguments["photos"]]
    elif "photos" in arguments:
        photos = arguments["photos"]
    if "least" in arguments:
        monkeypatch.setattr(
            "optogram.methods.activation_atlas.laid_out",
            lambda found, seed: np.random.default_rng(0).random((len(found), 2), np.float32),
        )
    asked = {"layer": LAYER, **arguments, "photos": photos}
    with pytest.raises(InputError, match=words):
        og.activation_atlas(net, **asked)


def test_without_umap_the_line_that_installs_it_is_named(net, pictures, monkeypatch):
    usual = builtins.__import__

    def missing(name, *others, **named):
        if name == "umap":
            raise ImportError(name)
        return usual(name, *others, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(InputError, match=r'umap-learn: pip install "optogram\[atlas\]"'):
        og.activation_atlas(net, LAYER, list(pictures))


def test_a_folder_that_is_a_file_is_refused(net, pictures, tmp_path):
    place = tmp_path / "file"
    place.write_text("mine")
    with pytest.raises(OutputError, match="not a folder"):
        og.activation_atlas(net, LAYER, list(pictures), checkpoint=place)
    assert place.read_text() == "mine"
