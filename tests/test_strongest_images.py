"""The photos that fire filters most: against looking at every map, and over interruptions."""

import dataclasses
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure
from PIL import Image

import networks
import optogram as og
from optogram.cli import main
from optogram.errors import InputError, PhotoError
from optogram.pictures import read

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("branches"), "unit")


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (7, 16, 16, 3), np.uint8)


@pytest.fixture
def folder(pictures, tmp_path):
    place = tmp_path / "photos"
    (place / "more").mkdir(parents=True)
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(place / ("more" if i > 4 else "") / f"{i}.png")
    (place / "notes.txt").write_text("no photo")
    return place


def assert_same(found, expected):
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-5)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.positions, expected.positions)


@pytest.mark.each_backend
def test_it_finds_what_looking_at_every_map_finds(net, pictures):
    maps = og.feature_maps(net, list(pictures), "branch5")["branch5"].values
    found = og.strongest_images(net, "branch5", list(pictures), top=3, memory=1)
    peaks = maps.max(axis=(1, 2))
    for row in range(maps.shape[-1]):
        order = np.argsort(-peaks[:, row])[:3]
        np.testing.assert_array_equal(found.indices[row], order)
        np.testing.assert_allclose(found.values[row], peaks[order, row], rtol=1e-5)
        for photo, (y, x), value in zip(
            order, found.positions[row], found.values[row], strict=True
        ):
            assert maps[photo, y, x, row] == pytest.approx(value, rel=1e-5)


@pytest.mark.each_backend
def test_the_window_is_the_receptive_field_cut_at_the_border(net, pictures):
    found = og.strongest_images(net, "branch3", list(pictures), top=2)
    field = net["branch3"].receptive_field
    for position, window in zip(
        found.positions.reshape(-1, 2), found.windows.reshape(-1, 4), strict=True
    ):
        first = np.maximum(position * field.stride + np.array(field.start), 0)
        last = np.minimum(position * field.stride + np.array(field.end) + 1, 16)
        np.testing.assert_allclose(window, [*first, *last])


def test_only_the_filters_asked_for_are_kept(net, pictures):
    every = og.strongest_images(net, "stem", list(pictures), top=2)
    some = og.strongest_images(net, "stem", list(pictures), top=2, filters=[3, 1])
    np.testing.assert_array_equal(some.filters, [3, 1])
    np.testing.assert_allclose(some.values, every.values[[3, 1]])


def test_a_folder_is_looked_through_with_its_subfolders(net, folder, pictures):
    found = og.strongest_images(net, "stem", folder, top=2)
    assert [Path(name).name for name in found.photos] == [f"{i}.png" for i in range(7)]
    assert_same(found, og.strongest_images(net, "stem", list(pictures), top=2))


def test_an_interrupted_run_goes_on_where_it_stopped(net, folder, tmp_path):
    state = tmp_path / "state.npz"
    expected = og.strongest_images(net, "stem", folder, top=2)
    seen = []

    def interrupted(done, total, what):
        seen.append(done)
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        og.strongest_images(
            net, "stem", folder, top=2, checkpoint=state, memory=1, progress=interrupted
        )
    assert seen == [1, 2, 3]
    seen.clear()
    found = og.strongest_images(
        net,
        "stem",
        folder,
        2,
        checkpoint=state,
        memory=1,
        progress=lambda done, *_: seen.append(done),
    )
    assert seen == [4, 5, 6, 7]
    assert_same(found, expected)


def test_photos_that_were_added_are_looked_through_alone(net, folder, pictures, tmp_path):
    state = tmp_path / "state.npz"
    og.strongest_images(net, "stem", folder, 2, checkpoint=state)
    Image.fromarray(255 - pictures[0]).save(folder / "0a.png")
    seen = []
    found = og.strongest_images(
        net, "stem", folder, 2, checkpoint=state, progress=lambda *step: seen.append(step)
    )
    assert seen == [(8, 8, "photos")]
    assert_same(found, og.strongest_images(net, "stem", folder, 2))


def test_a_photo_replaced_under_its_name_makes_another_run(net, folder, pictures, tmp_path):
    state, photo = tmp_path / "state.npz", next(folder.rglob("3.png"))
    og.strongest_images(net, "stem", folder, 2, checkpoint=state)
    before, kept = photo.read_bytes(), state.read_bytes()
    Image.fromarray(255 - pictures[3]).save(photo)
    with pytest.raises(InputError, match="another run"):
        og.strongest_images(net, "stem", folder, 2, checkpoint=state)
    assert state.read_bytes() == kept
    photo.write_bytes(before)
    og.strongest_images(net, "stem", folder, 2, checkpoint=state)
    state.unlink()
    og.strongest_images(net, "stem", list(pictures), 2, checkpoint=state)
    with pytest.raises(InputError, match="another run"):
        og.strongest_images(net, "stem", list(pictures[::-1]), 2, checkpoint=state)


def test_a_photo_that_was_mended_is_looked_at_again(net, folder, pictures, tmp_path):
    state, photo = tmp_path / "state.npz", next(folder.rglob("3.png"))
    before = photo.read_bytes()
    photo.write_bytes(b"no picture")
    og.strongest_images(net, "stem", folder, 2, checkpoint=state)
    photo.write_bytes(before)
    found = og.strongest_images(net, "stem", folder, 2, checkpoint=state)
    assert_same(found, og.strongest_images(net, "stem", list(pictures), 2))
    assert not [w for w in found.warnings if "could not be read" in w]


def test_the_state_of_another_run_is_refused_and_kept(net, folder, tmp_path):
    state = tmp_path / "state.npz"
    og.strongest_images(net, "stem", folder, 2, checkpoint=state)
    before = state.read_bytes()
    other = og.Network(networks.build("branches", seed=1), "unit")
    for wrong in (
        lambda: og.strongest_images(other, "stem", folder, 2, checkpoint=state),
        lambda: og.strongest_images(net, "branch3", folder, 2, checkpoint=state),
        lambda: og.strongest_images(net, "stem", folder, 3, checkpoint=state),
        lambda: og.strongest_images(net, "stem", folder / "more", 2, checkpoint=state),
    ):
        with pytest.raises(InputError, match="another run"):
            wrong()
    assert state.read_bytes() == before
    state.write_bytes(before[: len(before) // 2])
    with pytest.raises(InputError, match="damaged"):
        og.strongest_images(net, "stem", folder, 2, checkpoint=state)


def test_photos_that_cannot_be_read_are_left_out_and_named(net, folder, pictures):
    (folder / "0b.png").write_bytes(b"no picture")
    found = og.strongest_images(net, "stem", folder, 2)
    assert len(found.photos) == 8
    assert found.unread == (str(folder / "0b.png"),)
    (warning,) = (w for w in found.warnings if w.startswith("Skipped: "))
    assert "0b.png" in warning and "no picture" in warning
    with pytest.raises(PhotoError, match=r"0b\.png"):
        og.strongest_images(net, "stem", [folder / "0b.png", *pictures], 2)
    with pytest.raises(InputError, match="fit must be"):
        og.strongest_images(net, "stem", folder, 2, fit="tight")
    bare = og.strongest_images(net, "stem", list(pictures), 2)
    np.testing.assert_allclose(found.values, bare.values, rtol=1e-5)
    assert 1 not in found.indices


def test_fewer_photos_than_asked_for(net, pictures):
    found = og.strongest_images(net, "stem", list(pictures[:2]), top=4)
    assert np.isfinite(found.values[:, :2]).all() and np.isnan(found.values[:, 2:]).all()
    assert (found.indices[:, 2:] == -1).all()
    assert found.plot().width > 100
    ax = Figure().add_subplot()
    assert found.plot(ax=ax) is ax and len(ax.images) == 1
    with pytest.raises(InputError, match="there are fewer"):
        found.crop(0, 3)


def test_the_crop_is_where_the_filter_fired_in_the_photo_at_its_full_size(net):
    photo = np.zeros((64, 32, 3), np.uint8)
    photo[48:56, 4:8] = [255, 0, 0]  # in the prepared photo of 16 × 16: rows 12, 13, columns 2, 3
    maps = og.feature_maps(net, photo, "stem")["stem"].values[0]
    row = int((maps.max(axis=(0, 1)) - np.median(maps, axis=(0, 1))).argmax())
    found = og.strongest_images(net, "stem", [photo], top=1)
    window = found.windows[row, 0]
    crop = np.asarray(found.crop(row))
    assert crop.shape == (4 * (window[2] - window[0]), 2 * (window[3] - window[1]), 3)
    assert crop[..., 0].max() == 255


def test_a_plot_decodes_each_photo_once_and_keeps_the_shape_of_windows(net, folder, monkeypatch):
    found = og.strongest_images(net, "stem", folder, 2)
    decoded = []
    read_picture = read.read_picture
    monkeypatch.setattr(
        read, "read_picture", lambda photo: decoded.append(photo) or read_picture(photo)
    )
    found.plot(cell=64)
    assert len(decoded) == len(set(decoded)) == len(set(found.indices[:10].ravel()))

    red = np.full((64, 16, 3), [255, 0, 0], np.uint8)
    first = {name: getattr(found, name)[:1, :1] for name in ("values", "indices", "positions")}
    narrow = dataclasses.replace(
        found,
        **first,
        filters=found.filters[:1],
        windows=np.array([[[0, 0, 16, 16]]]),
        opened={int(found.indices[0, 0]): red},
    )
    is_red = (np.asarray(narrow.plot(cell=64)) == [255, 0, 0]).all(axis=-1)
    assert (is_red.any(axis=1).sum(), is_red.any(axis=0).sum()) == (64, 16)


def test_it_is_saved_and_drawn_from_the_files_again(net, folder, pictures, tmp_path):
    found = og.strongest_images(net, "stem", folder, 2)
    back = og.load_result(found.save(tmp_path / "strongest.npz"))
    np.testing.assert_array_equal(np.asarray(back.plot()), np.asarray(found.plot()))
    arrays = og.strongest_images(net, "stem", list(pictures), 2).save(tmp_path / "arrays.npz")
    with pytest.raises(InputError, match="no longer there"):
        og.load_result(arrays).plot()
    with pytest.raises(InputError, match=r"\[9\]"):
        found.plot([9])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"layer": "predictions"}, "has no feature maps"),
        ({"layer": "steem"}, "'stem'"),
        ({"top": 0}, "top"),
        ({"filters": [4]}, "4 filters"),
        ({"photos": "nowhere"}, "not a folder"),
        ({"photos": []}, "at least one"),
        ({"photos": ["same.png", "same.png"]}, "twice"),
        ({"photos": ["missing.png"]}, "missing.png. does not exist"),
    ],
)
def test_what_cannot_be_asked(arguments, words, net, pictures):
    given = {"layer": "stem", "photos": list(pictures), **arguments}
    with pytest.raises(InputError, match=words):
        og.strongest_images(net, **given)


@pytest.mark.each_backend
def test_networks_of_any_size_get_the_size_given():
    net = og.Network(networks.build("any_size"), "unit")
    photos = [np.full((20, 30, 3), i, np.uint8) for i in (10, 200)]
    found = og.strongest_images(net, "last", photos, 1, size=(24, 18))
    assert found.parameters["size"] == (24, 18)
    assert found.windows[..., 2].max() <= 24 and found.windows[..., 3].max() <= 18


def write_shards(folder, place):
    """The photos of ``folder`` in two tar files, and one that cannot be read."""
    place.mkdir()
    photos = sorted(folder.rglob("*.png"))
    for number, part in enumerate((photos[:4], photos[4:])):
        with tarfile.open(place / f"{number}.tar", "w") as archive:
            for photo in part:
                archive.add(photo, photo.name)
            if number:
                broken = tarfile.TarInfo("broken.png")
                broken.size = 3
                archive.addfile(broken, io.BytesIO(b"bad"))
    return place


def test_tar_files_are_looked_through_as_a_folder_is(net, folder, tmp_path):
    shards, state = write_shards(folder, tmp_path / "shards"), tmp_path / "state.npz"
    expected = og.strongest_images(net, "stem", folder, top=2)
    for _ in range(2):  # the second time from the checkpoint
        found = og.strongest_images(net, "stem", shards, top=2, checkpoint=state)
        assert_same(found, expected)
        assert found.photos[4] == "1.tar/4.png"
        assert found.unread == ("1.tar/broken.png",)
        assert any("'1.tar/broken.png' holds no picture" in text for text in found.warnings)
    np.testing.assert_array_equal(np.asarray(found.plot()), np.asarray(expected.plot()))
    counts = og.activation_histograms(net, "stem", shards)
    np.testing.assert_array_equal(
        counts.values, og.activation_histograms(net, "stem", folder).values
    )
    (shards / "1.tar").unlink()
    with pytest.raises(InputError, match="of another run"):
        og.strongest_images(net, "stem", shards, top=2, checkpoint=state)


def test_the_command_takes_tar_files(folder, tmp_path):
    shards = write_shards(folder, tmp_path / "shards")
    model = tmp_path / "net.keras"
    networks.build("branches").save(model)
    options = ["--layer", "stem", "--model", str(model), "--out", str(tmp_path / "out"), "--json"]
    done = CliRunner().invoke(main, ["strongest", f"{shards}/{{0..1}}.tar", *options])
    assert done.exit_code == 1, done.output  # one was skipped
    told = json.loads(done.stdout)
    assert told["photos"] == [f"{int(i > 3)}.tar/{i}.png" for i in range(7)]
    assert [skip["photo"] for skip in told["skipped"]] == ["1.tar/broken.png"]
