"""Resizing of photos: what each choice computes, where it is chosen, and where it is recorded."""

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import networks
import optogram as og
from optogram.cli import main
from optogram.errors import InputError
from optogram.pictures.fit import FITS, fit_picture
from optogram.pictures.resample import RESAMPLES

pytestmark = pytest.mark.once

SIZES = [(224, 224), (50, 400), (301, 452), (1, 1), (7, 700)]


@pytest.fixture(scope="module")
def photo(chelsea, tmp_path_factory):
    """The path of a photo, the only one of its class."""
    path = tmp_path_factory.mktemp("photos") / "cat" / "chelsea.png"
    path.parent.mkdir()
    Image.fromarray(chelsea).save(path)
    return path


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("fused"), "unit", resample="bilinear")


def trained_on(photo, size, **options):
    """The photo as Keras gives it in training."""
    pytest.importorskip("tensorflow")
    dataset = keras.utils.image_dataset_from_directory(
        photo.parents[1], image_size=size, batch_size=1, shuffle=False, verbose=False, **options
    )
    ((images, _),) = dataset
    return np.asarray(images)[0]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("resample", ["bilinear", "nearest", "area"])
def test_it_is_what_a_dataset_of_keras_holds(photo, chelsea, resample, size):
    options = {} if resample == "bilinear" else {"interpolation": resample}
    found = fit_picture(chelsea, size, "stretch", resample)
    assert np.abs(found - trained_on(photo, size, **options)).max() < 0.01


@pytest.mark.parametrize("resample", ["nearest", "lanczos"])
@pytest.mark.parametrize("fit", ["stretch", "crop"])
def test_it_is_what_load_img_of_keras_loads(photo, chelsea, resample, fit):
    options = {} if resample == "nearest" else {"interpolation": resample}
    loaded = keras.utils.load_img(
        photo, target_size=(96, 160), keep_aspect_ratio=fit == "crop", **options
    )
    np.testing.assert_array_equal(fit_picture(chelsea, (96, 160), fit, resample), loaded)


@pytest.mark.parametrize("size", SIZES[:2])
def test_a_crop_is_what_a_dataset_of_keras_crops(photo, chelsea, size):
    found = fit_picture(chelsea, size, "crop", "bilinear")
    assert np.abs(found - trained_on(photo, size, crop_to_aspect_ratio=True)).max() < 0.01


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("resample", RESAMPLES)
def test_every_choice_keeps_range_and_mean(chelsea, resample, fit):
    for picture in (chelsea, chelsea.astype(np.float32), chelsea[..., :1]):
        for size in ((30, 41), (310, 470), (1, 9)):
            found = fit_picture(picture, size, fit, resample)
            assert found.shape == (*size, picture.shape[2])
            assert found.dtype == np.float32
            assert found.min() >= 0
            assert found.max() <= 255
    flat = fit_picture(np.full((30, 45, 2), 77, np.uint8), (16, 90), "stretch", resample)
    np.testing.assert_allclose(flat, 77, atol=1e-4)


def test_the_mean_of_an_area_is_kept_whatever_the_size(chelsea):
    for size in ((30, 41), (299, 450), (7, 7)):
        found = fit_picture(chelsea, size, "stretch", "area")
        np.testing.assert_allclose(found.mean((0, 1)), chelsea.mean((0, 1)), rtol=1e-4)


def test_it_is_chosen_at_opening_or_in_a_call(net, photo):
    same = og.Network(net.model, "unit")
    assert (net.resample, same.resample) == ("bilinear", "lanczos")
    prepared = {name: same.prepare(photo, resample=name) for name in RESAMPLES}
    assert {name: x.resample for name, x in prepared.items()} == {n: n for n in RESAMPLES}
    assert len({x.tobytes() for x in prepared.values()}) == len(RESAMPLES)
    np.testing.assert_array_equal(net.prepare(photo), prepared["bilinear"])
    np.testing.assert_array_equal(net.prepare(photo, resample="area"), prepared["area"])
    assert net.predict(photo) == same.predict(photo, resample="bilinear")
    np.testing.assert_array_equal(net.scores(photo), same.scores(photo, resample="bilinear"))


def test_it_is_recorded(net, photo, tmp_path):
    result = og.gradcam(net, photo)
    assert result.provenance["resample"] == "bilinear"
    assert og.check(result).provenance["resample"] == "bilinear"
    assert og.load_result(result.save(tmp_path / "a.npz")).provenance["resample"] == "bilinear"
    x = net.prepare(photo, resample="area")
    assert og.saliency(net, x).provenance["resample"] == "area"
    assert og.feature_maps(net, x, "conv1")["conv1"].provenance["resample"] == "area"
    assert og.strongest_images(net, "conv1", [photo]).provenance["resample"] == "bilinear"
    # What was not resized here has no such entry.
    assert "resample" not in og.saliency(net, np.asarray(x)).provenance
    assert "resample" not in og.kernels(net, "conv1").provenance
    assert "resampling 'bilinear'" in net.summary().splitlines()[0]
    page = og.report(net, [photo], tmp_path / "report").read_text()
    assert "bilinear resampling" in page


def test_a_photo_as_baseline_is_resized_as_the_image(net, photo):
    x = net.prepare(photo, resample="nearest")
    result = og.integrated_gradients(net, x, 0, baseline=str(photo), points=2)
    assert not result.values.any()  # from the image to itself


def test_the_command_line_takes_it(net, photo, tmp_path):
    model = tmp_path / "net.keras"
    net.model.save(model)
    arguments = ["predict", str(photo), "--model", str(model), "--preprocess", "unit"]
    told = [
        CliRunner().invoke(main, [*arguments, "--resample", name], catch_exceptions=False).stdout
        for name in ("lanczos", "nearest")
    ]
    assert told[0] != told[1]
    assert CliRunner().invoke(main, [*arguments, "--resample", "cubic"]).exit_code == 2


def test_errors(net, photo):
    with pytest.raises(InputError, match=r"'area', not 'bilinaer': the nearest is 'bilinear'"):
        net.prepare(photo, resample="bilinaer")
    for wrong in (lambda: og.Network(net.model, resample="cubic"),
                  lambda: og.load("vgg16", resample="cubic")):  # fmt: skip
        with pytest.raises(InputError, match="resample must be 'lanczos'"):
            wrong()
    with pytest.raises(InputError, match="prepared already: give resample to net"):
        net.predict(net.prepare(photo), resample="area")


def test_photos_that_are_distorted_or_enlarged_much_are_warned_about(net, tmp_path):
    def warned(photos, fit=None):
        return net.prepare(photos, fit).warnings

    banner, small = np.zeros((20, 70, 3), np.uint8), np.zeros((3, 3, 3), np.uint8)
    (told,) = warned(banner)
    assert told.startswith("Photo 0 (20×70 pixels) was stretched to 16×16, one side 3.5 times")
    assert 'fit="crop" or fit="pad"' in told
    assert warned(banner, "crop") == warned(banner, "pad") == ()
    assert warned([np.zeros((20, 60, 3), np.uint8), np.zeros((4, 4, 3), np.uint8)]) == ()
    (told,) = warned([small, small])
    assert told.startswith("Photo 0 (3×3 pixels) and 1 more were each enlarged 5.3 times to 16×16")
    assert warned(small, "crop") == (told.replace(" and 1 more were each", " was"),)
    assert [w for w in og.saliency(net, [banner, small]).warnings if "pixels)" in w] == [
        *warned(banner), told.replace("Photo 0", "Photo 1").replace(" and 1 more were each", " was")
    ]  # fmt: skip
    Image.fromarray(banner).save(tmp_path / "banner.png")
    net.model.save(tmp_path / "net.keras")
    arguments = ["predict", str(tmp_path / "banner.png"), "--model", str(tmp_path / "net.keras")]
    assert "'banner.png' (20×70 pixels) was stretched" in CliRunner().invoke(main, arguments).stderr
    assert "stretched" not in CliRunner().invoke(main, [*arguments, "--fit", "pad"]).stderr
