"""Prepared batches: arrays like any other that remember their photos."""

import copy
import pickle

import numpy as np
import pytest
from PIL import Image

import networks
import optogram as og
from optogram.errors import InputError
from optogram.methods import ATTRIBUTIONS, OF_ATTENTION
from optogram.pictures import prepared
from optogram.pictures.fit import fit_picture
from optogram.pictures.preparation import preparation
from optogram.pictures.prepared import PreparedPhotos
from optogram.pictures.read import read_picture

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("branches"), "unit")


@pytest.fixture
def x(net):
    photos = [np.full((40, 20 + 20 * i, 3), 50 * i, np.uint8) for i in range(3)]
    return net.prepare(photos, "crop")


def test_a_batch_remembers_what_is_seen_of_each_photo(x):
    assert isinstance(x, np.ndarray)
    assert (x.dtype, x.shape, x.flags.c_contiguous) == (np.float32, (3, 16, 16, 3), True)
    assert x.fit == "crop" and x.photo_size.tolist() == [[40, 20], [40, 40], [40, 60]]
    np.testing.assert_allclose(
        x.seen, [[0.25, 0, 0.75, 1], [0, 0, 1, 1], [0, 1 / 6, 1, 5 / 6]], rtol=1e-6
    )


@pytest.mark.parametrize(
    "key", [slice(1, 3), [1, 2], np.array([1, 2]), np.array([False, True, True])]
)
def test_parts_of_a_batch_remember(x, key):
    assert x[key].seen.tolist() == x.seen[1:].tolist()
    assert x[key].photo_size.tolist() == x.photo_size[1:].tolist() and x[key].fit == "crop"


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda x: x.copy(), lambda x: pickle.loads(pickle.dumps(x))],
)
def test_copies_remember(x, copied):
    found = copied(x)
    assert found is not x and type(found) is PreparedPhotos
    np.testing.assert_array_equal(found, x)
    assert found.seen.tolist() == x.seen.tolist() and found.fit == "crop"


def test_preparing_again_remembers(net, x):
    assert net.prepare(x).seen.tolist() == x.seen.tolist()
    assert net.prepare(x[:2]).fit == "crop"


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x + 0,
        lambda x: 2 * x,
        lambda x: np.clip(x, 0, 1),
        lambda x: x[0],
        lambda x: x[:, ::-1],
        lambda x: x[..., 0],
        lambda x: x[None],
        lambda x: x.mean(axis=0),
        lambda x: np.stack(list(x)),
    ],
)
def test_whatever_moves_or_changes_pixels_is_a_plain_array(x, change):
    assert type(change(x)) is np.ndarray


def test_numbers_are_numbers(x):
    assert isinstance(x.max(), np.floating) and isinstance(x[0, 0, 0, 0], np.floating)
    assert not hasattr(x.swapaxes(1, 2), "seen") or x.swapaxes(1, 2).seen is None


def test_arrays_without_memory_stay_plain(net, x):
    assert type(net.prepare(np.asarray(x))) is np.ndarray


# -- each photo ------------------------------------------------------------------------------------


@pytest.fixture
def photo(tmp_path):
    """The path of a photo of 40×20 pixels, and its pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 20, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "cat.png")
    return tmp_path / "cat.png", pixels


def other_photo(path):
    """Another photo of the same size at the path."""
    Image.fromarray(np.full((40, 20, 3), 90, np.uint8)).save(path)


def test_a_photo_knows_its_file_its_fit_and_what_is_seen(net, photo):
    path, pixels = photo
    (known,) = net.prepare(path, "crop").photos
    assert (known.name, known.path, known.size) == ("cat.png", str(path), (40, 20))
    assert known.fit == "crop" and known.seen == (0.25, 0, 0.75, 1)
    array, image = net.prepare([pixels, Image.open(path)]).photos
    assert (array.name, array.path) == ("", None)
    assert (image.name, image.path) == ("cat.png", None), "it may have been painted over"


def test_pictures_are_kept_as_long_as_a_batch_of_them_lives(net, photo):
    path, pixels = photo
    x = net.prepare([path, path])
    first, second = x.photos
    np.testing.assert_array_equal(first.kept, pixels)
    assert first.picture() is first.kept
    part, result = x[1:], og.gradcam(net, x)
    del x
    assert first.kept is None, "a result does not hold on to photos"
    np.testing.assert_array_equal(second.kept, pixels)
    assert pickle.loads(pickle.dumps(part)).photos[0].kept is None
    assert copy.copy(part).photos[0].kept is second.kept
    rest = part.without_pictures()
    del part
    assert second.kept is None and rest.photos == (second,)
    assert result.prepared == (first, second)


def test_large_pictures_are_kept_up_to_a_limit(net, photo, monkeypatch):
    monkeypatch.setattr(prepared, "_KEPT_BYTES", 2 * photo[1].size)
    x = net.prepare([photo[0]] * 3)
    assert [known.kept is None for known in x.photos] == [False, False, True]
    np.testing.assert_array_equal(x.photos[2].picture(), photo[1])


def test_maps_are_laid_over_the_photo_whatever_becomes_of_its_file(net, photo):
    path, pixels = photo
    x = net.prepare(path)
    result = og.gradcam(net, x, 1)
    maps = og.feature_maps(net, x, "stem")["stem"]
    expected = [result.overlay(photo=pixels), result.through_mask(0.5, photo=pixels)]
    expected.append(maps.overlay(photo=pixels))
    other_photo(path)
    for named in (True, path, str(path)):
        found = [result.overlay(photo=named), result.through_mask(0.5, photo=named)]
        for one, other in zip([*found, maps.overlay(photo=named)], expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_photo_that_is_not_kept_is_read_again_if_it_is_still_the_same(net, photo):
    path, pixels = photo
    result = og.saliency(net, path, 1)
    np.testing.assert_array_equal(result.overlay(photo=True), result.overlay(photo=pixels))
    other_photo(path)
    with pytest.raises(InputError, match=r"cat.png' has changed since it was prepared"):
        result.overlay(photo=True)
    path.unlink()
    with pytest.raises(InputError, match="has changed"):
        result.overlay(photo=True)
    with pytest.raises(InputError, match="no longer in memory: give the photo itself"):
        og.saliency(net, pixels, 1).overlay(photo=True)


def test_a_result_that_does_not_know_its_photo_says_so(net, photo, tmp_path):
    result = og.saliency(net, net.prepare(photo[0]), 1)
    loaded = og.load_result(result.save(tmp_path / "saved.npz"))
    plain = og.saliency(net, np.asarray(net.prepare(photo[0])), 1)
    for unknown in (loaded, plain, pickle.loads(pickle.dumps(result))):
        with pytest.raises(InputError, match="name it, as in"):
            unknown.overlay(photo=True)
        np.testing.assert_array_equal(unknown.overlay(photo=photo[0]), result.overlay(photo=True))


def test_explanations_of_several_photos_each_know_their_own(net, photo):
    pixels = np.random.default_rng(1).integers(0, 256, (20, 20, 3), np.uint8)
    x = net.prepare([photo[0], pixels], "crop")
    found = og.gradcam(net, x, [1, 2])
    for i, own in enumerate((photo[1], pixels)):
        np.testing.assert_array_equal(found.overlay(i, photo=True), found.overlay(i, photo=own))
    both = og.gradcam(net, x[:1], [1, 2])
    np.testing.assert_array_equal(both.overlay(1, photo=True), both.overlay(1, photo=photo[1]))


def test_gray_networks_are_fed_gray_and_lay_maps_over_the_photo_in_color(photo, tmp_path):
    path, pixels = photo
    deep = tmp_path / "deep.png"
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 200).save(deep)
    for source in (path, deep, pixels, pixels[..., 0], pixels.astype(np.float32)):
        x = prepared.prepared([source], 1, None, "stretch", "lanczos", preparation("none", 1), True)
        np.testing.assert_array_equal(x[0], read_picture(source, 1))
        np.testing.assert_array_equal(x.photos[0].kept, prepared.as_shown(read_picture(source)))


# -- fit and size ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [*sorted({*ATTRIBUTIONS} - {*OF_ATTENTION}), "progressive_occlusion"]
)
def test_every_method_takes_fit(name, net, photo):
    def ask(image, **fit):
        found = getattr(og, name)(net, image, 1, **fit)
        return found if name in ATTRIBUTIONS else list(found)[-1]

    cropped, expected = ask(photo[0], fit="crop"), ask(net.prepare(photo[0], "crop"))
    np.testing.assert_array_equal(cropped.values, expected.values)
    np.testing.assert_array_equal(cropped.images, expected.images)
    assert cropped.fit == "crop" and not np.array_equal(cropped.images, ask(photo[0]).images)
    with pytest.raises(InputError, match="prepared already: give fit"):
        ask(net.prepare(photo[0]), fit="stretch")


def test_what_else_takes_photos_takes_fit_and_memory(net, photo):
    path, x = photo[0], net.prepare(photo[0], "pad")
    np.testing.assert_array_equal(net.scores(path, "2GB", fit="pad"), net.scores(x))
    assert net.predict(path, fit="pad", memory="2GB") == net.predict(x)
    probes = [og.occlusion_probe(net, x), og.occlusion_probe(net, path, fit="pad")]
    np.testing.assert_array_equal(*(probe(3, 4) for probe in probes))
    for ask in (
        lambda: net.prepare(x, "pad"),
        lambda: net.predict(x, fit="pad"),
        lambda: net.scores(x, fit="pad"),
        lambda: og.feature_maps(net, x, "stem", fit="pad"),
        lambda: og.occlusion_probe(net, x, fit="pad"),
        lambda: og.intervene(net, x, {"stem": 0.0}, fit="pad"),
        lambda: og.intervention_probe(net, x, fit="pad"),
    ):
        with pytest.raises(InputError, match="prepared already: give fit"):
            ask()
    with pytest.raises(InputError, match="prepared already: give size"):
        net.prepare(x, size=(16, 16))
    with pytest.raises(InputError, match="memory"):
        net.predict(path, memory="1 photo")


def test_a_size_is_taken_also_where_the_network_has_its_own(net, photo):
    x = net.prepare(photo[0], size=(None, 24))
    assert x.shape == (1, 48, 24, 3) and net.prepare(photo[0]).shape == (1, 16, 16, 3)
    found = og.feature_maps(net, x, "stem")["stem"]
    expected = og.feature_maps(net, photo[0], "stem", size=(None, 24))["stem"]
    np.testing.assert_array_equal(found.values, expected.values)
    for ask in (net.predict, lambda x: og.gradcam(net, x)):
        with pytest.raises(InputError, match=r"\(N, 16, 16, 3\), got \(1, 48, 24, 3\)"):
            ask(x)


# -- what is read faster is the same ---------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_that_need_no_conversion_are_prepared_together(channels):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 12, 9, channels), np.uint8)
    spec = preparation("tf", channels)
    one = [
        prepared.prepared([p], channels, (12, 9), "pad", "lanczos", spec, keep=True)
        for p in pictures
    ]
    every = prepared.prepared(list(pictures), channels, (12, 9), "pad", "lanczos", spec, keep=False)
    np.testing.assert_array_equal(np.asarray(every), np.concatenate(one))
    assert [repr(photo) for photo in every.photos] == [repr(x.photos[0]) for x in one]
    mixed = prepared.prepared(
        [pictures[0], Image.fromarray(pictures[1].squeeze())],
        *(channels, (12, 9), "pad", "lanczos", spec, False),
    )
    np.testing.assert_array_equal(np.asarray(mixed), np.asarray(every)[:2])
    for fit, resample in (("cut", "lanczos"), ("pad", "cubic")):
        with pytest.raises(InputError, match="must be"):
            prepared.prepared(list(pictures), channels, (12, 9), fit, resample, spec, keep=False)


def test_pairs_of_callables_are_given_one_photo_at_a_time():
    given = []
    spec = preparation((lambda x: given.append(x.shape) or x, lambda x: x), 3)
    pictures = list(np.zeros((3, 8, 8, 3), np.uint8))
    prepared.prepared(pictures, 3, (8, 8), "stretch", "lanczos", spec, keep=False)
    assert given == [(1, 8, 8, 3)] * 3


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("resample", ["lanczos", "nearest"])
def test_color_is_resized_as_its_channels_are(fit, resample):
    picture = np.random.default_rng(0).integers(0, 256, (31, 40, 3), np.uint8)
    color = fit_picture(picture, (20, 17), fit, resample)
    planes = [fit_picture(picture[..., i : i + 1], (20, 17), fit, resample) for i in range(3)]
    np.testing.assert_array_equal(color, np.concatenate(planes, axis=-1))


def test_gray_networks_are_fed_the_same_whether_pictures_are_kept(photo):
    path, _ = photo
    with Image.open(path) as image:
        sources = [path, np.asarray(image), np.asarray(image.convert("L"))]
    spec = preparation("unit", 1)
    for source in sources:
        kept, fed = (
            prepared.prepared([source], 1, (30, 20), "crop", "lanczos", spec, keep=keep)
            for keep in (True, False)
        )
        np.testing.assert_array_equal(np.asarray(kept), np.asarray(fed))
