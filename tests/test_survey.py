"""Surveys: against a literal computation from all maps, and over interruptions."""

import shutil

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import networks
import optogram as og
from optogram import backend
from optogram.cli import main
from optogram.errors import InputError, OutputError
from optogram.graph.steps import Output
from optogram.interpreters import precision
from optogram.jobs import work
from optogram.surveying import plan as planning
from optogram.surveying import survey as surveys
from optogram.surveying.activations import batch_length
from optogram.surveying.photos import PhotoBlock, positions_of
from optogram.surveying.plan import PARTS
from optogram.surveying.table import surveyed_layers
from stores import assert_same_store, everything_in

zarr = pytest.importorskip("zarr")

COUNT = 11


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("separate"), "unit")


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (COUNT, 16, 18, 3), np.uint8)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Several work units, and every second photo sampled, for few photos."""
    monkeypatch.setattr(planning, "_BLOCK", 4)
    monkeypatch.setattr(planning, "_SAMPLES", 5)


@pytest.fixture
def folder(pictures, tmp_path):
    place = tmp_path / "photos"
    place.mkdir()
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(place / f"{i:02}.png")
    return place


@pytest.fixture(scope="module")
def maps(net, pictures):
    """The maps of every layer of the survey, (N, h, w, C)."""
    x = net.prepare(list(pictures))
    names = surveyed_layers(net, net.nominal_size)
    found = {}
    for name in names:
        step = net.step(name)
        array = net.evaluate(x, [Output(step.index)])[0]
        found[name] = array if array.ndim == 4 else array[:, None, None]
    return found


def test_default_layers_are_what_other_layers_read(net):
    names = surveyed_layers(net, net.nominal_size)
    kinds = [net.step(name).kind for name in names]
    assert "BatchNormalization" not in kinds[:-1]
    assert net.graph.steps[net.head.logits.step].name in names
    for name in names:
        readers = [
            step
            for step in net.graph.steps
            if any(read.step == net.step(name).index for read in step.inputs)
        ]
        finishing = [one for one in readers if one.kind in ("ReLU", "BatchNormalization")]
        assert not (len(readers) == 1 and finishing) or name == "logits"


def test_statistics_and_strongest_photos_equal_those_of_all_maps(net, pictures, maps, tmp_path):
    found = og.survey(net, pictures, tmp_path / "net.zarr", top=3)
    assert list(found.layers) == list(maps)
    sampled = [i for i in range(COUNT) if i % 2 == 0]
    for name, array in maps.items():
        flat = array.reshape(COUNT, -1, array.shape[-1])
        peaks, places = flat.max(axis=1), flat.argmax(axis=1)
        np.testing.assert_allclose(
            found.column("mean", name), flat.mean(axis=(0, 1)), rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(found.column("fires", name), (peaks > 0).mean(axis=0))
        height, width = array.shape[1:3]
        rows, columns = (
            [side // n // 2 + i * (side // n) for i in range(n)]
            for side, n in ((height, min(4, height)), (width, min(4, width)))
        )
        grid = array[:, rows][:, :, columns]
        np.testing.assert_allclose(
            found.column("active", name), (grid > 0).mean(axis=(0, 1, 2)), rtol=1e-5
        )
        at = positions_of(np.array(sampled)) * [height, width]
        values = array[sampled, at[:, 0].astype(int), at[:, 1].astype(int)]
        np.testing.assert_allclose(
            found.column("quantiles", name),
            np.quantile(values, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99], axis=0).T,
            rtol=1e-4,
            atol=1e-5,
        )
        for channel in range(array.shape[-1]):
            strongest = found.unit(name, channel).strongest
            order = np.argsort(-peaks[:, channel], kind="stable")[:3]
            values = [one.activation for one in strongest]
            np.testing.assert_allclose(values, peaks[order, channel], rtol=1e-5, atol=1e-6)
            if len(np.unique(peaks[:, channel])) == COUNT:  # else any of equal ones may be first
                assert [one.photo for one in strongest] == [f"photo {i}" for i in order]
                assert strongest[0].position == divmod(places[order[0], channel], width)


def test_nearest_units_are_those_whose_samples_correlate(net, pictures, maps, tmp_path):
    found = og.survey(net, pictures, tmp_path / "net.zarr", what="neighbors")
    name = next(iter(maps))
    samples = everything_in(tmp_path / "net.zarr")["samples/activation"][:, : found.layers[name]]
    with np.errstate(invalid="ignore"):
        expected = np.corrcoef(samples.T)
    np.fill_diagonal(expected, np.nan)
    for channel in range(found.layers[name]):
        if np.isnan(expected[channel]).all():  # it never changes
            assert not found.unit(name, channel).nearest
            continue
        unit, correlation = found.unit(name, channel).nearest[0]
        assert correlation == pytest.approx(np.nanmax(expected[channel]), abs=1e-5)
        assert expected[channel, unit] == pytest.approx(correlation, abs=1e-5)


def test_contributions_are_gradient_times_activation_of_the_predicted_class(
    net, pictures, tmp_path
):
    found = og.survey(net, pictures, tmp_path / "net.zarr", what="classes")
    layer = next(name for name in found.layers if len(net.step(name).shape) == 4)
    x = net.prepare(list(pictures[::2]))
    winners = net.scores(x).argmax(axis=1)
    expected = np.stack(
        [
            (steps.gradients[0] * steps.maps[0]).sum(axis=(0, 1))
            for steps in (og.gradcam(net, x[i : i + 1], layer=layer).steps for i in range(len(x)))
        ]
    )
    by_class = {one: expected[winners == one].mean(axis=0) for one in np.unique(winners)}
    for channel in range(found.layers[layer]):
        for one, amount in found.unit(layer, channel).classes:
            assert amount == pytest.approx(by_class[one][channel], rel=1e-3, abs=1e-5)


def test_contributions_of_the_layer_before_a_linear_end_add_up_to_the_logit(tmp_path, pictures):
    net = og.Network(networks.build("fused"), "unit")
    found = og.survey(net, pictures, tmp_path / "net.zarr", what="classes")
    arrays = everything_in(tmp_path / "net.zarr")
    logits = net.graph.steps[net.head.logits.step].name
    first = sum(
        found.layers[name] for name in list(found.layers)[: list(found.layers).index(logits)]
    )
    own = arrays["samples/contribution"][:, first : first + found.layers[logits]]
    scores = net.scores(net.prepare(list(pictures[::2])))
    np.testing.assert_allclose(own.sum(axis=1), scores.max(axis=1), rtol=1e-4)


def test_patterns_are_those_of_maximize(net, pictures, tmp_path):
    place = tmp_path / "net.zarr"
    layer = surveyed_layers(net, net.nominal_size)[0]
    found = og.survey(
        net, pictures, place, what="patterns", layers=layer, units=[1, 0], variants=2, steps=2
    )
    for channel in (0, 1):
        images = found.unit(layer, channel).patterns
        for variant in range(2):
            expected = og.maximize(
                net, og.Filter(layer, channel), size=images.shape[1:3], steps=2, seed=variant
            )
            np.testing.assert_allclose(images[variant], expected.images[0], atol=1)
    assert found.unit(layer, 2).patterns is None


@pytest.mark.once
def test_kernels_are_the_weights(net, pictures, tmp_path):
    og.survey(net, pictures, tmp_path / "net.zarr", what="kernels")
    arrays = everything_in(tmp_path / "net.zarr")
    names = [name for name in arrays if name.startswith("kernels/")]
    assert names
    for name in names:
        layer = name.partition("/")[2]
        np.testing.assert_array_equal(arrays[name], og.kernels(net, layer).values)


@pytest.mark.once
def test_the_store_is_read_with_xarray_alone(net, folder, tmp_path):
    xarray = pytest.importorskip("xarray")
    found = og.survey(net, folder, tmp_path / "net.zarr", top=2)
    units = xarray.open_zarr(tmp_path / "net.zarr", group="units")
    photos = xarray.open_zarr(tmp_path / "net.zarr", group="photos")
    layer = list(found.layers)[1]
    mine = units.isel(unit=(units.layer == layer).values)
    np.testing.assert_array_equal(mine["mean"], found.column("mean", layer))
    assert mine["strongest_photo"].dims == ("unit", "rank")
    first = int(mine["strongest_photo"][0, 0])
    assert str(photos["name"].values[first]) == found.unit(layer, 0).strongest[0].photo


@pytest.mark.once
def test_a_photo_that_cannot_be_read_is_a_row(net, folder, tmp_path):
    (folder / "05.png").write_bytes(b"no picture")
    found = og.survey(net, folder, tmp_path / "net.zarr", top=COUNT)
    assert list(found.unread) == ["05.png"]
    assert "no picture" in found.unread["05.png"]
    unit = found.unit(next(iter(found.layers)), 0)
    assert len(unit.strongest) == COUNT - 1
    assert "05.png" not in [one.photo for one in unit.strongest]
    without = [i for i in range(COUNT) if i != 5]
    (folder / "05.png").unlink()
    other = og.survey(net, folder, tmp_path / "other.zarr")
    np.testing.assert_allclose(found.column("mean"), other.column("mean"), rtol=1e-5)
    assert len(without) == len(other.photos)


@pytest.mark.once
def test_a_run_goes_on_where_it_was_interrupted(net, folder, tmp_path, monkeypatch):
    og.survey(net, folder, tmp_path / "whole.zarr")
    performed = []
    perform = work.perform

    def interrupted(unit, *others):
        if len(performed) == 2:
            raise KeyboardInterrupt
        performed.append(unit.numbers)
        return perform(unit, *others)

    monkeypatch.setattr("optogram.jobs.running.perform", interrupted)
    with pytest.raises(KeyboardInterrupt):
        og.survey(net, folder, tmp_path / "net.zarr")
    again = []
    monkeypatch.setattr(
        "optogram.jobs.running.perform",
        lambda unit, *others: (again.append((type(unit), unit.numbers)), perform(unit, *others))[1],
    )
    og.survey(net, folder, tmp_path / "net.zarr")
    assert len(again) == 2 * 3 - 2
    assert_same_store(tmp_path / "net.zarr", tmp_path / "whole.zarr")
    again.clear()
    og.survey(net, folder, tmp_path / "net.zarr")
    assert not again


@pytest.mark.once
def test_photos_can_be_added_but_not_taken_away(net, folder, tmp_path):
    place = tmp_path / "net.zarr"
    later = folder / "00.png"
    later.rename(tmp_path / "00.png")
    og.survey(net, folder, place)
    (tmp_path / "00.png").rename(later)
    found = og.survey(net, folder, place)
    assert found.photos[-1] == "00.png" and len(found.photos) == COUNT
    whole = og.survey(net, folder, tmp_path / "whole.zarr")
    np.testing.assert_allclose(found.column("mean"), whole.column("mean"), rtol=1e-5)
    later.unlink()
    with pytest.raises(InputError, match=r"1 photo of .* cannot be found, such as 00.png"):
        og.survey(net, folder, place)


@pytest.mark.once
def test_a_photo_that_was_replaced_is_computed_again(net, folder, tmp_path):
    place = tmp_path / "net.zarr"
    og.survey(net, folder, place)
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(folder / "03.png")
    found = og.survey(net, folder, place)
    whole = og.survey(net, folder, tmp_path / "whole.zarr")
    np.testing.assert_array_equal(found.column("mean"), whole.column("mean"))


@pytest.mark.once
@pytest.mark.parametrize(
    ("changed", "what"),
    [({"top": 2}, "top"), ({"fit": "pad"}, "fit"), ({"size": (20, 20)}, "size")],
)
def test_another_run_is_refused(net, folder, tmp_path, changed, what):
    place = tmp_path / "net.zarr"
    og.survey(net, folder, place, top=3)
    before = everything_in(place)
    with pytest.raises(InputError, match=f"was made with other values of {what}"):
        og.survey(net, folder, place, **{"top": 3} | changed)
    after = everything_in(place)
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)


@pytest.mark.each_backend
def test_a_survey_in_reduced_precision_says_its_error(folder, tmp_path, monkeypatch):
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 18, 3))
    x = keras.layers.Conv2D(16, 5, activation="relu", name="first")(image)
    x = keras.layers.Conv2D(16, 3, name="second")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    net = og.Network(keras.Model(image, keras.layers.Dense(4, name="classes")(x)), "unit")
    monkeypatch.setattr(backend.current(), "bfloat16_gain", lambda: 4.0)
    monkeypatch.setattr(precision, "_LEAST_GAIN", 0.0)
    exact = og.survey(net, folder, tmp_path / "exact.zarr", what="statistics")
    assert exact.rounding_error == {} and "precision" not in exact.identity
    given = {"out": tmp_path / "fast.zarr", "what": "statistics"}
    fast = og.survey(net, folder, precision="fast", **given)
    assert fast.identity["precision"] == "bfloat16"
    assert list(fast.rounding_error) == list(fast.layers)
    assert 0 < fast.rounding_error["first"] < 0.02 and 0 < fast.rounding_error["norm"] < 0.02
    means, expected = (each.column("mean") for each in (fast, exact))
    assert not np.array_equal(means, expected)
    np.testing.assert_allclose(means, expected, rtol=0, atol=0.02 * expected.std())
    # Another machine goes on in the precision of the store.
    monkeypatch.setattr(backend.current(), "bfloat16_gain", lambda: 1.0)
    # Where nothing is left, nothing is measured again.
    monkeypatch.setattr(surveys, "rounding_error", None)
    again = og.survey(net, folder, precision="fast", **given)
    assert again.identity == fast.identity and again.rounding_error == fast.rounding_error
    with pytest.raises(InputError, match='was made with precision="fast"'):
        og.survey(net, folder, **given)


@pytest.mark.once
def test_a_mistake_makes_no_store(net, folder, tmp_path):
    place = tmp_path / "net.zarr"
    for mistake in ({"fit": "squeeze"}, {"top": 0}, {"what": "patterns", "recipe": "none"}):
        with pytest.raises(InputError):
            og.survey(net, folder, place, **mistake)
        assert not place.exists()


@pytest.mark.once
def test_a_unit_without_gradient_stays_gray_alone_and_among_others(pictures, tmp_path):
    model = networks.build("separate")
    layer = next(one for one in model.layers if one.name.startswith("batch_normalization"))
    scale, shift, *others = layer.get_weights()
    # The first unit is −9 before the rectifier, whatever the image is.
    layer.set_weights([scale * [0, 1, 1, 1], shift * [0, 1, 1, 1] - [9, 0, 0, 0], *others])
    net = og.Network(model, "unit")
    settings = {"what": "patterns", "layers": "re_lu", "steps": 2}
    alone = og.survey(net, pictures, tmp_path / "alone.zarr", units=[0], **settings)
    among = og.survey(net, pictures, tmp_path / "among.zarr", units=[0, 1], **settings)
    np.testing.assert_array_equal(alone.patterns("re_lu", 0), among.patterns("re_lu", 0))
    assert np.ptp(among.patterns("re_lu", 0)) == 0 < np.ptp(among.patterns("re_lu", 1))
    scores = everything_in(tmp_path / "among.zarr")["patterns/re_lu/score"]
    assert np.isnan(scores[0]).all() and np.isfinite(scores[1]).all()


@pytest.mark.once
def test_a_photo_replaced_while_it_is_computed_is_computed_again(
    net, folder, tmp_path, monkeypatch
):
    compute = PhotoBlock.compute

    def replaced(unit, net):
        made = compute(unit, net)
        Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(folder / "03.png")
        return made

    monkeypatch.setattr(PhotoBlock, "compute", replaced)
    og.survey(net, folder, tmp_path / "net.zarr", what="photos")
    monkeypatch.setattr(PhotoBlock, "compute", compute)
    found = og.survey(net, folder, tmp_path / "net.zarr", what="photos")
    whole = og.survey(net, folder, tmp_path / "whole.zarr", what="photos")
    np.testing.assert_array_equal(found.column("mean"), whole.column("mean"))


@pytest.mark.once
def test_another_network_and_other_patterns_are_refused(net, folder, tmp_path):
    place = tmp_path / "net.zarr"
    layer = surveyed_layers(net, net.nominal_size)[0]
    og.survey(net, folder, place, what="patterns", layers=layer, units=[0], steps=2)
    with pytest.raises(InputError, match=r"patterns of .* were made with another recipe"):
        og.survey(net, folder, place, what="patterns", layers=layer, units=[1], steps=3)
    with pytest.raises(InputError, match="was made with another network"):
        og.survey(og.Network(networks.build("fused"), "unit"), folder, place)
    with pytest.raises(InputError, match="was made with other values of weights or preprocessing"):
        og.survey(og.Network(net.model, "tf"), folder, place)


@pytest.mark.once
def test_bad_input_is_one_sentence(net, folder, tmp_path):
    def refused(kind, match, *arguments, **settings):
        with pytest.raises(kind, match=match):
            og.survey(net, *arguments, **settings)

    place = tmp_path / "net.zarr"
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(InputError, "no images", empty, place)
    refused(InputError, "what must be all, or some of", folder, place, what="pattern")
    refused(InputError, "no layer", folder, place, layers="none")
    refused(InputError, "on must be", folder, place, on="dask")
    refused(OutputError, "is a file", folder, folder / "00.png")
    refused(OutputError, "no Zarr store", folder, folder)
    refused(OutputError, "is not a folder", folder, tmp_path / "no" / "net.zarr")
    layer = surveyed_layers(net, net.nominal_size)[0]
    refused(InputError, "out of range", folder, place, what="patterns", layers=layer, units=[999])
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"no")
    refused(InputError, "None of the 1 photos can be read", tmp_path / "bad", tmp_path / "b.zarr")
    zarr.create_group(str(tmp_path / "foreign.zarr"))
    refused(InputError, "did not make", folder, tmp_path / "foreign.zarr")
    with pytest.raises(InputError, match="There is no store"):
        og.load_survey(tmp_path / "nothing.zarr")


@pytest.mark.once
def test_the_photos_of_a_survey_are_found_again(net, folder, tmp_path):
    first = folder / "00.png"
    first.rename(tmp_path / "00.png")
    og.survey(net, folder, tmp_path / "net.zarr", what="photos")
    (tmp_path / "00.png").rename(first)
    found = og.survey(net, folder, tmp_path / "net.zarr", what="photos")  # in another order
    photos = found.photo_set()
    assert list(photos.names) == list(found.photos) and found.photos[-1] == "00.png"
    assert photos.source(COUNT - 1) == first
    (folder / "03.png").unlink()
    with pytest.raises(InputError, match=r"1 photo of .* cannot be found in .* such as 03\.png"):
        found.photo_set()
    (folder / "03.png").write_bytes(b"")
    store = str(tmp_path / "net.zarr")
    refused = CliRunner().invoke(
        main, ["atlas", store, "--layer", "elu", "--weights", "random", "--model", "mobilenet_v2"]
    )
    assert "is the survey of" in refused.output
    assert refused.exit_code == 2


@pytest.mark.once
def test_damaged_chunks_are_named(net, folder, tmp_path):
    place = tmp_path / "net.zarr"
    og.survey(net, folder, place)
    chunk = place / "blocks" / "mean" / "c" / "1" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-5])
    with pytest.raises(InputError, match="is damaged in blocks/mean"):
        og.survey(net, folder, place)
    shutil.rmtree(place / "blocks" / "mean")
    whole = og.survey(net, folder, tmp_path / "whole.zarr")
    again = og.survey(net, folder, place)
    np.testing.assert_array_equal(again.column("mean"), whole.column("mean"))


@pytest.mark.once
def test_a_full_disk_is_one_sentence_and_loses_nothing(net, folder, tmp_path, monkeypatch):
    from zarr.storage import LocalStore

    place = tmp_path / "net.zarr"
    put = LocalStore.set
    written = []

    async def full(self, key, value):
        if "blocks/mean/c/2" in key and not written:
            written.append(key)
            raise OSError(28, "No space left on device")
        await put(self, key, value)

    monkeypatch.setattr(LocalStore, "set", full)
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        og.survey(net, folder, place)
    og.survey(net, folder, place)
    og.survey(net, folder, tmp_path / "whole.zarr")
    assert_same_store(place, tmp_path / "whole.zarr")


@pytest.mark.once
def test_the_model_is_unchanged_and_batches_are_powers_of_two(net, folder, tmp_path):
    before = [np.array(weight) for weight in net.model.get_weights()]
    og.survey(net, folder, tmp_path / "net.zarr", what=PARTS[:-1])
    for old, new in zip(before, net.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    length = batch_length(net, net.nominal_size)
    assert length & (length - 1) == 0
