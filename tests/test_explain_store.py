"""Maps of many photos in a store: equal to those of the methods, over interruptions."""

import importlib.util
import io
import re
import shutil
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import networks
import optogram as og
from optogram.cli import main
from optogram.errors import InputError, OutputError
from optogram.explaining import reading
from optogram.jobs import work

pytestmark = pytest.mark.once

zarr = pytest.importorskip("zarr")

COUNT = 11
BROKEN = "05.png"


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("fused"), "unit")


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (COUNT, 16, 18, 3), np.uint8)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Several work units for few photos."""
    monkeypatch.setattr(reading, "_MOST_BLOCK", 4)


@pytest.fixture(scope="module")
def photos(pictures, tmp_path_factory):
    """A folder of photos, one of which cannot be read."""
    place = tmp_path_factory.mktemp("photos")
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(place / f"{i:02}.png")
    (place / BROKEN).write_bytes(b"no picture")
    return place


@pytest.fixture
def folder(photos, tmp_path):
    """A copy that tests may change."""
    return shutil.copytree(photos, tmp_path / "photos")


@pytest.fixture(scope="module")
def stored(net, photos, tmp_path_factory):
    """The place of a store with the maps of two methods, and checks of one."""
    place = tmp_path_factory.mktemp("stores") / "maps.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_MOST_BLOCK", 4)
        og.explain_all(net, photos, place, ["gradcam", "saliency"])
        og.explain_all(net, photos, place, "gradcam", check="sample:3")
    return place


@pytest.fixture
def copied(stored, tmp_path):
    """A copy of that store that tests may change."""
    return shutil.copytree(stored, tmp_path / "copied.zarr")


def everything_in(place):
    """All arrays of a store, read without optogram."""
    root = zarr.open_group(str(place), mode="r")
    return {
        name: member[...]
        for name, member in root.members(max_depth=None)
        if isinstance(member, zarr.Array)
    }


def assert_same_arrays(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


READ = [i for i in range(COUNT) if f"{i:02}.png" != BROKEN]


def test_maps_are_those_of_the_methods(net, photos, stored):
    found = og.load_attributions(stored)
    x = net.prepare([photos / found.photos[i] for i in READ])
    assert found.methods == ("gradcam", "saliency")
    for method in found.methods:
        expected = getattr(og, method)(net, x)
        np.testing.assert_allclose(
            found.values(method=method)[READ], expected.values, rtol=1e-4, atol=1e-6
        )
        np.testing.assert_allclose(found.column("score", method)[READ], expected.score, rtol=1e-5)
        highest = found.column("maximum", method)[READ]
        np.testing.assert_allclose(
            highest, expected.values.reshape(len(READ), -1).max(axis=1), rtol=1e-4, atol=1e-6
        )
        classes = [prediction[0] for prediction in net.predict(x, top=1)]
        assert [one.index for one in classes] == found.column("target", method)[READ].tolist()
        np.testing.assert_allclose(
            found.column("probability", method)[READ],
            [one.probability for one in classes],
            rtol=1e-5,
        )


def test_a_photo_that_cannot_be_read_is_a_row(stored):
    found = og.load_attributions(stored)
    assert list(found.unread) == [BROKEN]
    assert "no picture" in found.unread[BROKEN] or BROKEN in found.unread[BROKEN]
    assert np.isnan(found.values(BROKEN, "gradcam")).all()
    assert found.column("target", "gradcam")[5] == -1
    with pytest.raises(InputError, match="has no map"):
        found.attribution(BROKEN, "gradcam")


def test_the_store_is_read_with_zarr_and_xarray_alone(stored):
    xarray = pytest.importorskip("xarray")
    maps = xarray.open_zarr(stored, group="maps/saliency")
    assert maps["values"].dims == ("photo", "y", "x", "channel")
    assert maps["values"].shape == (COUNT, 16, 16, 3)
    assert maps["values"].encoding["chunks"] == (4, 16, 16, 3)
    strongest = int(maps["probability"].argmax())
    photos = xarray.open_zarr(stored, group="photos")
    classes = xarray.open_zarr(stored, group="classes")
    assert photos["name"].values[strongest] == f"{strongest:02}.png"
    target = int(maps["target"][strongest])
    assert classes["name"].values[target] == f"class {target}"
    assert int(photos["class"][strongest]) == target
    checks = xarray.open_zarr(stored, group="checks/gradcam")
    assert checks["deletion_area"].sel(ranking="random").shape == (3,)
    root = zarr.open_group(str(stored), mode="r")
    assert root["maps/gradcam"].attrs["layer"] == "conv3"
    expected = {"rectify": True, "score": "logit", "precision": "exact"}
    assert root["maps/gradcam"].attrs["parameters"] == expected
    assert root["photos/error"][5] != "" and root["photos/error"][4] == ""


def test_stored_maps_are_drawn_without_keras(stored):
    script = (
        "import sys, optogram as og\n"
        f"found = og.load_attributions({str(stored)!r})\n"
        "picture = found.attribution('03.png', 'gradcam').overlay(photo=True)\n"
        "assert picture.width > picture.height\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_stored_map_is_the_result_of_the_method(net, photos, stored):
    found = og.load_attributions(stored)
    for method in found.methods:
        of_store = found.attribution(3, method)
        expected = getattr(og, method)(net, photos / "03.png")
        assert of_store.targets == expected.targets
        np.testing.assert_array_equal(of_store.images, expected.images)
        np.testing.assert_allclose(of_store.values, expected.values, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(of_store.photo_size, expected.photo_size)
        assert of_store.unit == expected.unit and of_store.layer == expected.layer


@pytest.mark.parametrize("method", ["occlusion", "integrated_gradients", "guided_gradcam"])
def test_maps_with_more_than_values(net, pictures, tmp_path, method):
    settings = {"patch": 6, "stride": 5} if method == "occlusion" else {}
    found = og.explain_all(net, pictures[:2], tmp_path / "maps.zarr", method, 2, **settings)
    expected = getattr(og, method)(net, list(pictures[:2]), 2, **settings)
    of_store = found.attribution(1, source=pictures[1])
    assert of_store.targets == ("class 2",)
    np.testing.assert_allclose(of_store.values[0], expected.values[1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        of_store.map_on_image(), expected.map_on_image(1), rtol=1e-3, atol=1e-5
    )
    if method == "integrated_gradients":
        gap = expected.completeness_gap
        np.testing.assert_allclose(found.column("completeness_gap"), gap, atol=1e-5)
    logits = net.scores(list(pictures[:2]))
    np.testing.assert_allclose(
        found.column("probability"), net.head.probabilities(logits)[:, 2], rtol=1e-5
    )


def test_checks_are_those_of_check(net, photos, copied):
    found = og.load_attributions(copied)
    checks = found.checks("gradcam")
    assert 2 <= len(checks.photos) <= 3 and BROKEN not in checks.photos
    x = net.prepare([photos / name for name in checks.photos])
    expected = og.check(og.gradcam(net, x))
    np.testing.assert_allclose(checks.deletion_area, expected.deletion_area, atol=2e-3)
    np.testing.assert_allclose(checks.insertion_area, expected.insertion_area, atol=2e-3)
    np.testing.assert_allclose(checks.similarity, expected.values, atol=1e-3)
    assert checks.sentences[0] == og.check(og.gradcam(net, x[:1])).sentence
    verdicts = [expected.alone(i) for i in range(len(x))]
    passed = [one.depends_on_weights and one.marks_what_matters for one in verdicts]
    assert checks.passed.tolist() == passed
    larger = og.explain_all(net, photos, copied, check=4).checks("gradcam")
    assert set(checks.photos) < set(larger.photos)
    with pytest.raises(InputError, match=r"made with another seed \(0, now 7\)"):
        og.explain_all(net, photos, copied, check=4, check_seed=7)
    with pytest.raises(InputError, match="has no checks of saliency"):
        found.checks("saliency")


def test_a_run_goes_on_where_it_was_interrupted(net, photos, stored, tmp_path, monkeypatch):
    place, performed, perform = tmp_path / "maps.zarr", [], work.perform

    def performing(unit, *others):
        if len(performed) == 2:
            raise KeyboardInterrupt
        performed.append((unit.method.name, unit.numbers))
        return perform(unit, *others)

    monkeypatch.setattr("optogram.jobs.running.perform", performing)
    with pytest.raises(KeyboardInterrupt):
        og.explain_all(net, photos, place, ["gradcam", "saliency"])
    first = [performed.pop(), performed.pop()]
    monkeypatch.setattr(
        "optogram.jobs.running.perform",
        lambda unit, *others: (
            performed.append((unit.method.name, unit.numbers)),
            perform(unit, *others),
        )[1],
    )
    told = []
    og.explain_all(
        net, photos, place, ["gradcam", "saliency"], progress=lambda *given: told.append(given)
    )
    assert len(performed) == 2 * 3 - 2 and not set(first) & set(performed)
    assert told[0] == (COUNT, COUNT, "gradcam") and told[-1] == (COUNT, COUNT, "saliency")
    whole = everything_in(stored)
    expected = {name: array for name, array in whole.items() if not name.startswith("checks")}
    assert_same_arrays(everything_in(place), expected)
    performed.clear()
    og.explain_all(net, photos, place, ["gradcam", "saliency"])
    assert not performed


def test_photos_are_added_and_never_lost(net, folder, copied):
    before = everything_in(copied)
    Image.new("RGB", (20, 20), "red").save(folder / "00-later.png")
    found = og.explain_all(net, folder, copied)
    assert found.photos == (*(f"{i:02}.png" for i in range(COUNT)), "00-later.png")
    after = everything_in(copied)
    kept = after["maps/gradcam/values"]
    np.testing.assert_allclose(kept[:COUNT], before["maps/gradcam/values"], rtol=1e-5, atol=1e-7)
    expected = og.gradcam(net, folder / "00-later.png")
    np.testing.assert_allclose(kept[COUNT], expected.values[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(after["maps/saliency/values"], before["maps/saliency/values"])
    (folder / "00.png").unlink()
    with pytest.raises(InputError, match=r"1 photo of .* cannot be found, such as 00.png"):
        og.explain_all(net, folder, copied)


def test_maps_are_never_mixed(net, photos, copied):
    before = everything_in(copied)

    def refused(match, *given, net=net, **settings):
        with pytest.raises(InputError, match=match):
            og.explain_all(net, photos, copied, *given, **settings)

    refused(r"another rectify \(True, now False\)", rectify=False)
    refused(r"another layer \(conv3, now conv2\)", layer="conv2")
    refused(r"another target \(None, now class 1\)", "saliency", 1)
    refused("made with other values of fit", fit="crop")
    refused("made with other values of memory", memory="2GB")
    refused("weights or preprocessing", net=og.Network(net.model, "tf"))
    with pytest.raises(InputError, match="holds 'attributions', expected 'survey'"):
        og.survey(net, photos, copied)
    assert_same_arrays(everything_in(copied), before)


def test_a_mistake_in_an_argument_does_not_bind_the_store(net, pictures, tmp_path):
    place = tmp_path / "maps.zarr"
    with pytest.raises(InputError, match="noise must be"):
        og.explain_all(net, pictures[:2], place, "smoothgrad", noise="much")
    found = og.explain_all(net, pictures[:2], place, "smoothgrad", samples=2)
    assert found.about()["parameters"]["noise"] == 0.15


def test_bad_input_is_one_sentence(net, photos, tmp_path, monkeypatch):
    def refused(kind, match, *given, **settings):
        with pytest.raises(kind, match=match) as caught:
            og.explain_all(net, *given, **settings)
        assert "\n" not in str(caught.value)

    place, empty, bad = tmp_path / "maps.zarr", tmp_path / "empty", tmp_path / "bad"
    empty.mkdir()
    bad.mkdir()
    (bad / "a.png").write_bytes(b"no")
    refused(InputError, "no images", empty, place)
    refused(InputError, "None of the 1 photos can be read", bad, tmp_path / "bad.zarr")
    named = "method must be common, all, or some of .* 'grad_cam'"
    refused(InputError, named, photos, place, "grad_cam")
    refused(InputError, "saliency does not take layer", photos, place, "saliency", layer="conv1")
    refused(InputError, "gradcam does not take rectifi: .*rectify", photos, place, rectifi=True)
    refused(InputError, "stands for 3", photos, place, layer="conv*")
    refused(InputError, "target must be one target, not 2 targets", photos, place, target=[1, 2])
    refused(InputError, "check must be a number of photos", photos, place, check="sample:few")
    refused(InputError, "fit must be", photos, place, fit="squeeze")
    refused(OutputError, "is a file", photos, photos / "00.png")
    assert not place.exists()
    with pytest.raises(InputError, match="make one with optogram explain"):
        og.load_attributions(place)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "zarr" else find(name)
    )
    refused(InputError, r'zarr: run pip install "optogram\[survey\]"', photos, place)


def test_a_full_disk_is_one_sentence_and_loses_nothing(net, photos, stored, tmp_path, monkeypatch):
    from zarr.storage import LocalStore

    put, place = LocalStore.set, tmp_path / "maps.zarr"

    async def full(self, key, value):
        if "maps/gradcam/values/c/1" in key:
            raise OSError(28, "No space left on device")
        await put(self, key, value)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "set", full)
        with pytest.raises(OutputError, match="cannot be written: No space left on device"):
            og.explain_all(net, photos, place)
    og.explain_all(net, photos, place)
    found, expected = everything_in(place), everything_in(stored)
    assert_same_arrays(found, {name: expected[name] for name in found})


def test_a_damaged_chunk_is_named_and_made_again(net, photos, copied):
    before = everything_in(copied)
    chunk = copied / "maps/gradcam/values/c/1/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-5])
    with pytest.raises(InputError, match="is damaged in maps/gradcam/values: delete"):
        og.load_attributions(copied).values(method="gradcam")
    shutil.rmtree(copied / "maps/gradcam/values")
    og.explain_all(net, photos, copied)
    assert_same_arrays(everything_in(copied), before)


@pytest.mark.parametrize("kind", ["tar", "npy"])
def test_photos_of_shards_and_arrays(net, pictures, tmp_path, kind):
    place = tmp_path / f"photos.{kind}"
    if kind == "npy":
        np.save(place, pictures)
    else:
        with tarfile.open(place, "w") as archive:
            for i, picture in enumerate(pictures):
                content = io.BytesIO()
                Image.fromarray(picture).save(content, "PNG")
                for ending, data in (("png", content.getvalue()), ("cls", b"%d" % (i % 3))):
                    member = tarfile.TarInfo(f"{i:02}.{ending}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
    found = og.explain_all(net, place, tmp_path / "maps.zarr")
    expected = og.gradcam(net, list(pictures))
    np.testing.assert_allclose(found.values(), expected.values, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found.attribution(4).images[0], expected.images[4])
    if kind == "tar":
        assert found.labels == tuple(str(i % 3) for i in range(COUNT))


def test_segmentation_and_binary_networks(pictures, tmp_path):
    spatial = og.Network(networks.build("segmentation"), "unit")
    with pytest.raises(InputError, match="give a target"):
        og.explain_all(spatial, pictures[:2], tmp_path / "a.zarr")
    target = og.Class(1, region=(0, 0, 4, 4))
    found = og.explain_all(spatial, pictures[:2], tmp_path / "a.zarr", "saliency", target)
    expected = og.saliency(spatial, list(pictures[:2]), target)
    np.testing.assert_allclose(found.values(), expected.values, rtol=1e-4, atol=1e-6)
    assert np.isnan(found.column("probability")).all()
    binary = og.Network(networks.build("binary"), "unit")
    found = og.explain_all(binary, pictures[:4], tmp_path / "b.zarr", "saliency")
    best = [one[0] for one in binary.predict(list(pictures[:4]), top=1)]
    assert found.column("target").tolist() == [one.index for one in best]
    np.testing.assert_allclose(
        found.column("probability"), [one.probability for one in best], rtol=1e-5
    )


def test_the_command(net, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(og, "load", lambda *given, **options: net)

    def run(*words):
        return CliRunner().invoke(main, ["explain", str(folder), *map(str, words)])

    place = tmp_path / "maps.zarr"
    done = run("--out", place, "--dry-run")
    assert done.exit_code == 0
    assert re.search(rf"^gradcam +3 +{COUNT} ", done.stdout, re.M)
    assert not place.exists()
    done = run("--out", place, "--check", "sample:3")
    assert done.exit_code == 1
    assert f"{COUNT} photos, gradcam: {place}" in done.stdout
    assert f"Skipped: {BROKEN}" in done.stderr
    assert "checked map" in done.stdout and "passed" in done.stdout
    (folder / BROKEN).unlink()
    for words, match in (
        (["--out", place, "--overlay", "even"], "--overlay is for pictures"),
        (["--out", place, "--json"], "--json is for pictures"),
        (["--out", place, "--target", "1", "--target", "2"], "Give one --target, not 2"),
        (["--out", place, "--cpus", "2"], "give --on ray, too"),
        (["--out", place], f"1 photo of {place} cannot be found"),
        (["--out", tmp_path / "maps", "--check", "all"], "--check is for maps in a store"),
        (["--out", tmp_path / "maps", "--dry-run"], "--dry-run is for maps in a store"),
    ):
        done = run(*words)
        assert done.exit_code == 2
        assert match in done.stderr.replace("\n", " ")


def test_ray_gives_the_same_store(net, photos, stored, tmp_path):
    pytest.importorskip("ray")
    place = tmp_path / "maps.zarr"
    og.explain_all(net, photos, place, on="ray")
    found, expected = everything_in(place), everything_in(stored)
    assert_same_arrays(found, {name: expected[name] for name in found})
