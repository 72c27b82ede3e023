"""Channels silenced one by one: the same as one intervention for each."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import networks
import optogram as og
from optogram.cli import main
from optogram.errors import InputError

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def net():
    """Residual blocks: later blocks read the layers below by skip connections, too."""
    return og.Network(networks.build("skips"), "unit")


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)


@pytest.fixture(scope="module")
def truth():
    return [0, 1, 2, 1, 0]


@pytest.fixture(scope="module")
def found(net, pictures, truth):
    return og.ablate(net, pictures, "stem", truth=truth)


def one_by_one(net, photos, layer, values, score="logit"):
    """(channels, photos, classes) before and after, and the predicted classes, by `intervene`."""
    before, after, predicted = [], [], []
    for channel, value in enumerate(values):
        made = og.intervene(net, photos, {og.Filter(layer, channel): float(value)})
        of = "scores" if score == "logit" else "probabilities"
        first, last = (getattr(made, f"{of}_{when}") for when in ("before", "after"))
        if first.shape[1] == 1:
            first, last = (np.concatenate([-array, array], axis=1) for array in (first, last))
        before.append(first)
        after.append(last)
        each = made.probabilities_before, made.probabilities_after
        predicted.append([array.argmax(axis=1) for array in each])
    return np.array(before), np.array(after), np.array(predicted)


def require_same(result, expected, labels=None):
    before, after, predicted = expected
    changes = (after - before).astype(np.float64)
    tolerance = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(result.values, changes.mean(axis=1), **tolerance)
    count = changes.shape[1]
    own = changes[:, np.arange(count), predicted[0, 0]]
    np.testing.assert_allclose(result.change, own.mean(axis=1), **tolerance)
    errors = own.std(axis=1, ddof=1) / np.sqrt(count)
    np.testing.assert_allclose(result.errors, errors, **tolerance)
    flips = (predicted[:, 0] != predicted[:, 1]).mean(axis=1)
    np.testing.assert_allclose(result.flipped, flips, atol=1e-6)
    if labels is not None:
        rights = (predicted == np.array(labels)).mean(axis=2)
        assert result.accuracy_before == pytest.approx(rights[0, 0])
        np.testing.assert_allclose(result.accuracies, rights[:, 1], atol=1e-6)


@pytest.mark.each_backend
def test_each_channel_is_an_intervention(net, pictures, found, truth):
    expected = one_by_one(net, pictures, "stem", np.zeros(len(found.values)))
    assert np.abs(found.values).max() > 1e-3
    require_same(found, expected, truth)


@pytest.mark.parametrize(
    ("name", "layer", "score"),
    [
        ("skips", "block0_add", "probability"),
        ("shared_layer", "again@2", "logit"),
        ("binary", "conv1", "logit"),
        ("binary", "conv1", "probability"),
        ("fused", "hidden", "logit"),
        ("branches", "branch3", "logit"),
    ],
)
def test_layers_and_scores_of_every_kind(name, layer, score):
    net = og.Network(networks.build(name), "unit")
    x = networks.images_for(net.model, 3)
    result = og.ablate(net, x, layer, score=score)
    require_same(result, one_by_one(net, x, layer, np.zeros(len(result.values)), score))
    assert result.unit == score and len(result.classes) == net.head.classes
    assert not result.has_accuracies and np.isnan(result.accuracies).all()


def test_a_channel_can_be_set_to_its_mean(net, pictures, truth):
    result = og.ablate(net, pictures, "stem", truth=truth, to="mean")
    maps = og.feature_maps(net, pictures, ["stem"])["stem"].values
    require_same(result, one_by_one(net, pictures, "stem", maps.mean(axis=(0, 1, 2))), truth)


def test_small_batches_and_every_source_give_the_same(net, pictures, found, truth):
    told = []
    parts = og.ablate(
        net,
        (picture for picture in pictures),
        "stem",
        truth=truth,
        memory=1,
        progress=lambda *each: told.append(each),
    )
    np.testing.assert_allclose(parts.values, found.values, rtol=1e-4, atol=1e-5)
    total = len(pictures) * (1 + len(found.values))
    assert [done for done, *_ in told] == list(range(1, total + 1))
    assert {each[1:] for each in told} == {(total, "channels")}
    prepared = og.ablate(net, net.prepare(list(pictures)), "stem", truth=truth)
    np.testing.assert_allclose(prepared.values, found.values, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(prepared.accuracies, found.accuracies)


def test_classes_come_from_folders_or_a_table(net, pictures, found, truth, tmp_path):
    rows = ["photo,label"]
    for number, (picture, label) in enumerate(zip(pictures, truth, strict=True)):
        path = tmp_path / str(label) / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(path)
        if number < 4:
            rows.append(f"{label}/{number}.png,{label}")
    (tmp_path / "0" / "bad.png").write_bytes(b"no picture")
    by_folder = og.ablate(net, tmp_path, "stem", truth="folders")
    np.testing.assert_allclose(by_folder.values, found.values, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(by_folder.accuracies, found.accuracies)
    assert by_folder.unread == (str(tmp_path / "0" / "bad.png"),) and len(by_folder.photos) == 5
    assert any("Skipped" in warning for warning in by_folder.warnings)
    (tmp_path / "table.csv").write_text("\n".join(rows))
    by_table = og.ablate(net, tmp_path, "stem", truth=tmp_path / "table.csv")
    some = og.ablate(net, pictures[:4], "stem", truth=truth[:4])
    np.testing.assert_allclose(by_table.accuracies, some.accuracies)
    np.testing.assert_allclose(by_table.change, some.change, rtol=1e-4, atol=1e-5)


def test_channels_are_ranked_and_told(found, tmp_path):
    sizes = np.abs(found.change)[found.ranked]
    assert (np.diff(sizes) <= 0).all() and sorted(found.ranked) == list(range(len(sizes)))
    first, *_ = found.strongest(3)
    assert first.channel == found.ranked[0] and first.change == found.change[first.channel]
    for by, array in (
        ("flipped", found.flipped),
        ("lost", -found.accuracies),
        ("regained", found.accuracies),
    ):
        assert array[found.strongest(1, by)[0].channel] == array.max()
        assert found.plot(4, by).width > 100
    assert len(found.table(3).splitlines()) == 5
    assert f"channel {first.channel} matters most" in found.sentence
    assert "accuracy" in found.sentence
    loaded = og.load_result(found.save(tmp_path / "ablation.npz"))
    assert loaded.table() == found.table() and loaded.sentence == found.sentence


def test_one_photo_has_no_standard_error(net, pictures):
    result = og.ablate(net, pictures[:1], "stem")
    assert np.isnan(result.errors).all() and "±" not in result.table()
    assert "accuracy" not in result.table() + result.sentence


def test_scores_that_are_not_finite_are_warned_of():
    net = og.Network(networks.build("skips"), "unit")
    x = networks.images_for(net.model, 2) * np.float32(1e38)
    with np.errstate(all="ignore"):
        result = og.ablate(net, x, "stem")
    assert any("NaN or infinite" in warning for warning in result.warnings)
    assert result.sentence and result.table()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"to": "one"}, 'to must be "zero" or "mean"'),
        ({"layer": "nowhere"}, "nowhere"),
        ({"truth": [0, 1]}, "5 photos and 2 labels"),
        ({"truth": "folders"}, "needs photos that come with their class"),
        ({"score": "loss"}, "score"),
        ({"photos": []}, "at least one"),
    ],
)
def test_what_cannot_be_ablated_is_said(net, pictures, arguments, message):
    with pytest.raises(InputError, match=message):
        og.ablate(**{"net": net, "photos": pictures, "layer": "stem", **arguments})


def test_networks_and_orders_that_do_not_fit_are_said(net, pictures):
    for name in ("segmentation", "regression"):
        other = og.Network(networks.build(name), "unit")
        layer = next(iter(other.map_layers()))
        with pytest.raises(InputError, match=r"not one score per class: og\.intervene"):
            og.ablate(other, networks.images_for(other.model), layer)
    result = og.ablate(net, pictures[:1], "stem")
    with pytest.raises(InputError, match="give truth"):
        result.strongest(by="lost")
    with pytest.raises(InputError, match="by must be"):
        result.table(by="size")


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def command(net, pictures, tmp_path, monkeypatch):
    """The command with a small network, on a folder of photos in subfolders of their classes."""
    monkeypatch.chdir(tmp_path)
    net.model.save("small.keras")
    Path("labels.txt").write_text("".join(f"class {i}\n" for i in range(net.head.classes)))
    for number, picture in enumerate(pictures):
        folder = tmp_path / "photos" / f"class {number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{number}.png")

    def run(*arguments):
        opening = ["--model", "small.keras", "--preprocess", "unit", "--labels", "labels.txt"]
        return CliRunner().invoke(main, ["ablate", "photos", *opening, *arguments])

    return run


def test_the_command_prints_the_table_of_the_result_that_it_writes(command, net):
    done = command("--layer", "stem", "--truth", "folders", "--by", "lost", "--top", "3")
    assert done.exit_code == 0, done.output
    result = og.load_result("ablated/stem.npz")
    truth = [int(Path(photo).parent.name.split()[-1]) for photo in result.photos]
    again = og.ablate(net, list(result.photos), "stem", truth=truth)
    np.testing.assert_allclose(result.values, again.values, rtol=1e-4, atol=1e-6)
    assert result.table(3, "lost") in done.output and result.sentence in done.output
    assert Path("ablated/stem.png").stat().st_size > 500


def test_the_command_tells_programs_of_all_channels(command):
    record = json.loads(
        command("--layer", "stem", "--by", "flipped", "--top", "1", "--json").stdout
    )
    result = og.load_result("ablated/stem.npz")
    assert record["accuracy"] is None
    order = [one.channel for one in result.strongest(len(result.values), "flipped")]
    assert [one["channel"] for one in record["channels"]] == order
    assert record["channels"][0]["change"] == pytest.approx(float(result.change[order[0]]))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--by", "lost"], "--by lost needs --truth"),
        (["--truth", "nothing.csv"], "--truth: there is no file 'nothing.csv'"),
        (["--layer", "nothing"], "nothing"),
    ],
)
def test_what_the_command_cannot_do_is_said_in_a_sentence(command, arguments, said):
    done = command("--layer", "stem", *arguments)
    assert done.exit_code == 2 and said in done.output and "Traceback" not in done.output
    assert not Path("ablated").exists() or not list(Path("ablated").iterdir())
