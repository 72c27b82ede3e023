"""The audit: shortcuts that are there and are not, labels, duplicates, files, pages."""

import csv
import json

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import auditing
import optogram as og
from optogram.auditing.clusters import spray
from optogram.auditing.duplicates import near_duplicates
from optogram.auditing.wrong_labels import suspected_labels
from optogram.cli import main
from optogram.errors import InputError, OutputError
from optogram.files import MARK
from optogram.methods.request.truth import matched
from optogram.progress import silent
from optogram.result.audit import Rate

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def reader():
    return auditing.network(reads_mark=True)


@pytest.fixture(scope="module")
def marked():
    return auditing.photos(40, is_marked=True)


@pytest.fixture(scope="module")
def found(reader, marked):
    return og.audit(reader, *marked)


@pytest.fixture
def folder(tmp_path):
    """Photos in a folder per class: two the same in both, one broken."""
    pictures, truth = auditing.photos(6, is_marked=False)
    for number, (picture, index) in enumerate(zip(pictures, truth, strict=True)):
        place = tmp_path / "photos" / ("red", "blue")[index]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(place / f"{number}.png")
    Image.fromarray(pictures[0]).save(tmp_path / "photos" / "blue" / "again.png")
    (tmp_path / "photos" / "blue" / "broken.jpg").write_bytes(b"\xff\xd8\xff no photo")
    return tmp_path / "photos"


# Shortcuts


def test_a_shortcut_is_found_with_its_place_and_its_effect(found):
    first = found.suspects[0]
    assert first.is_shortcut
    assert found.labels[first.of_class] == "blue"
    top, left, bottom, right = (side * auditing.SIDE for side in first.region)
    assert top < 26 < bottom and left < 26 < right
    assert (bottom - top) * (right - left) <= auditing.SIDE**2 / 5
    assert first.flipped.share > 0.8
    assert max(first.flipped_elsewhere.share, first.flipped_others.share) < 0.2
    assert first.difference.low > 0
    assert "shortcut" in found.sentence and "blue" in found.sentence
    assert found.verdict(first).startswith("Shortcut")


def test_a_mark_that_the_network_does_not_read_is_not_claimed(marked):
    """The photos look alike in a place, but it causes nothing there."""
    found = og.audit(auditing.network(reads_mark=False), *marked)
    assert found.accuracy.share == 1
    assert not found.shortcuts
    assert not found.contributing
    assert "No shortcut was found" in found.sentence


def test_a_mark_that_only_adds_to_the_score_is_shown_but_not_claimed(marked):
    """Covering it lowers the score, and pasting it flips nothing."""
    found = og.audit(auditing.network(reads_mark=True, weight=4), *marked)
    assert not found.shortcuts
    (one,) = found.contributing
    assert found.labels[one.of_class] == "blue"
    assert one.region[0] < 26 / auditing.SIDE < one.region[2]
    assert one.flipped.count == 0
    assert "No shortcut was found. Look at 1 region of blue" in found.sentence
    assert found.verdict(one).startswith("Look at it")
    assert [told["contributes"] for told in found.as_json()["suspects"]].count(True) == 1


def test_a_part_of_photos_that_are_all_alike_is_not_claimed(reader, marked):
    """The mark is read, but the rest of these photos is as alike: it may be the object."""
    pictures, truth = marked
    scene = np.random.default_rng(3).integers(-50, 50, (auditing.SIDE, auditing.SIDE, 1))
    alike = np.where((truth == 1)[:, None, None, None], pictures + scene, pictures)
    found = og.audit(reader, np.clip(alike, 0, 255).astype(np.uint8), truth)
    assert not found.shortcuts
    assert not found.contributing
    assert max(one.alikeness_elsewhere for one in found.suspects) > 0.3


def test_without_a_mark_nothing_is_claimed(reader):
    found = og.audit(reader, *auditing.photos(40, is_marked=False))
    assert not found.shortcuts
    assert not found.contributing


def test_one_sigmoid_output_stands_for_two_classes(marked):
    found = og.audit(auditing.network(reads_mark=True, sigmoid=True), *marked)
    assert found.accuracy.share == 1
    assert [found.labels[one.of_class] for one in found.shortcuts] == ["blue"]


def test_explanations_fall_into_the_clusters_that_they_were_made_in():
    generator = np.random.default_rng(0)
    maps = generator.uniform(0, 0.1, (90, 7, 7))
    maps[:60, 1, 1] += 5
    maps[60:, 5, 5] += 5
    maps[7] = 0
    number = spray(maps / np.maximum(maps.sum(axis=(1, 2), keepdims=True), 1e-9), 0).number
    assert number[7] == -1
    first, second = set(np.delete(number[:60], 7)), set(number[60:])
    assert -1 not in first | second
    assert not first & second


# Figures


def test_the_wilson_interval_is_the_published_one():
    """Newcombe (1998), table I, method 3."""
    for count, total, low, high in ((81, 263, 0.2553, 0.3662), (0, 20, 0, 0.1611)):
        rate = Rate.of(count, total)
        assert (rate.low, rate.high) == pytest.approx((low, high), abs=5e-5)


def test_figures_agree_with_the_predictions(reader, marked, found):
    pictures, truth = marked
    wrong = truth.copy()
    wrong[[0, 50]] = 1 - wrong[[0, 50]]
    found = og.audit(reader, pictures, wrong)
    predicted = [one[0].index for one in reader.predict(list(pictures), top=1)]
    assert list(found.predicted) == predicted
    assert found.accuracy.count == 78
    assert {(one.truth, one.predicted): one.photos for one in found.confusions} == {
        (1, 0): (0,),
        (0, 1): (50,),
    }
    assert set(found.mistakes) == {0, 50}
    assert found.confidence[found.unsure[0]] == found.confidence[found.is_right].min()
    assert {one.photo for one in found.suspected_labels} == {0, 50}
    assert found.top5 is None


def test_a_label_is_suspected_by_the_thresholds_of_confident_learning():
    """Recomputed literally from section 3.1."""
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(3), 60)
    truth = np.where(generator.random(60) < 0.6, probabilities.argmax(1), generator.integers(3))
    thresholds = [
        np.mean([p[j] for p, y in zip(probabilities, truth, strict=True) if y == j])
        for j in range(3)
    ]
    expected = set()
    for i, (p, y) in enumerate(zip(probabilities, truth, strict=True)):
        reached = [j for j in range(3) if p[j] >= thresholds[j]]
        if reached and max(reached, key=lambda j: p[j]) != y:
            expected.add(i)
    found = suspected_labels(probabilities, truth + 4, np.arange(4, 7))
    assert expected and {one.photo for one in found} == expected
    margins = [one.margin for one in found]
    assert margins == sorted(margins)


def test_near_duplicates_are_found_and_others_are_not(chelsea):
    cat = Image.fromarray(chelsea).convert("L").resize((64, 64))
    brighter = np.clip(np.asarray(cat).astype(int) + 8, 0, 255).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64), np.uint8)
    shifted = np.roll(np.asarray(cat), 9, axis=1)
    copies = np.stack([cat, noise[0], brighter, noise[1], shifted])
    (group,) = near_duplicates(copies, np.array([0, 0, 1, 0, 0]), silent)
    assert group.photos == (0, 2)
    assert group.is_conflict


# Labels


def test_names_are_matched_by_label_number_or_alphabet():
    named = auditing.network(reads_mark=False)
    assert matched(named, ["Blue", "red"]) == ({"Blue": 1, "red": 0}, ())
    assert matched(named, ["0", "1"])[0] == {"0": 0, "1": 1}
    with pytest.raises(InputError, match="'green'"):
        matched(named, ["green", "red"])
    with pytest.raises(InputError, match="same class"):
        matched(named, ["0", "red"])
    assert matched(named, ["0", "red"], is_unique=False)[0] == {"0": 0, "red": 0}
    bare = og.Network(named.model, preprocess="unit")
    classes, (note,) = matched(bare, ["cats", "dogs"])
    assert classes == {"cats": 0, "dogs": 1}
    assert "alphabetical" in note and "cats = 0" in note
    with pytest.raises(InputError, match="no labels"):
        matched(bare, ["cats", "dogs", "owls"])


@pytest.mark.parametrize("text", ["photo,label\n", "File Name;Class\n", "y\tpath\n"])
def test_a_table_of_labels_is_read_with_its_header(reader, folder, text):
    mark = next(c for c in ",;\t" if c in text)
    rows = [("blue/again.png", "red"), ("red/0.png", "0"), ("6.png", "blue"), ("gone.png", "1")]
    rows = [row[::-1] if text.startswith("y") else row for row in rows]
    table = folder.parent / "truth.csv"
    table.write_text(text + "".join(f"{a}{mark}{b}\n" for a, b in rows))
    found = og.audit(reader, folder, table)
    assert list(found.truth) == [0, 0, 1]
    assert found.accuracy.count == 3
    assert any("gone.png" in name for name in found.unread)
    assert "left out" in found.notes[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b\n1,2\n", "its header is 'a', 'b'"),
        ("photo,label\nx.png\n", "row 2"),
        ("photo,label\n", "1 rows"),
        ("photo,label\nred/0.png,green\n", "'green'"),
        ("photo,label\nred/0.png,red\nred/0.png,blue\n", "two labels"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence(reader, folder, content, words):
    table = folder.parent / "truth.csv"
    table.write_text(content)
    with pytest.raises(InputError, match=words):
        og.audit(reader, folder, table)


def test_photos_without_a_class_folder_are_one_sentence(reader, folder):
    Image.new("RGB", (8, 8)).save(folder / "loose.png")
    with pytest.raises(InputError, match=r"1 photos lie directly in it, such as 'loose\.png'"):
        og.audit(reader, folder)
    with pytest.raises(InputError, match="2 photos and 1 labels"):
        og.audit(reader, np.zeros((2, 32, 32, 3), np.uint8), [0])
    with pytest.raises(InputError, match="need labels"):
        og.audit(reader, np.zeros((2, 32, 32, 3), np.uint8))


def test_networks_without_classes_are_refused():
    image = keras.Input((8, 8, 1))
    maps = keras.layers.Conv2D(2, 3, padding="same", activation="softmax")(image)
    number = keras.layers.Dense(1)(keras.layers.Flatten()(image))
    for output, words in ((maps, "a map of scores"), (number, "a single number")):
        net = og.Network(keras.Model(image, output), preprocess="unit")
        with pytest.raises(InputError, match=words):
            og.audit(net, np.zeros((2, 8, 8), np.uint8), [0, 1])


def test_many_channels_and_gray_photos_are_audited():
    generator = np.random.default_rng(0)
    for channels in (1, 5):
        image = keras.Input((16, 16, channels))
        x = keras.layers.Conv2D(3, 3, activation="relu")(image)
        x = keras.layers.Dense(12)(keras.layers.GlobalAveragePooling2D()(x))
        net = og.Network(keras.Model(image, x), preprocess="unit")
        shape = (30, 16, 16) if channels == 1 else (30, 16, 16, channels)
        found = og.audit(net, generator.integers(0, 256, shape, np.uint8), np.arange(30) % 12)
        assert found.top5.total == 30
        assert found.maps.shape[0] == 30


# Files


def test_the_pages_are_complete_and_work_without_the_internet(reader, folder, tmp_path):
    found = og.audit(reader, folder, out=tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count("https://") == 0 and 'src="data:' in page
    assert "broken.jpg" in page
    (group,) = found.duplicates
    assert group.is_conflict and "Different labels" in page
    assert {found.photos[i] for i in group.photos} == {"red/0.png", "blue/again.png"}
    links = {part.split('"')[0] for part in page.split('href="photos/')[1:]}
    assert links and all((tmp_path / "out" / "photos" / link).exists() for link in links)
    figures = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert figures["accuracy"]["total"] == len(found.photos) == 13
    assert figures["mistakes"] == ["blue/again.png"]
    assert list(figures["unread"]) == ["blue/broken.jpg"]
    before = (tmp_path / "out" / "index.html").stat().st_mtime_ns
    og.audit(reader, folder, out=tmp_path / "out")  # replaces its own
    assert (tmp_path / "out" / "index.html").stat().st_mtime_ns > before


def test_foreign_files_are_not_replaced(reader, folder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "index.html").write_text("mine")
    told = []
    with pytest.raises(OutputError, match="did not make it"):
        og.audit(reader, folder, out=out, progress=lambda *args: told.append(args))
    assert (out / "index.html").read_text() == "mine"
    assert not told


def test_labels_and_names_cannot_break_a_page(folder, tmp_path):
    evil = "<script>alert(1)</script>"
    net = auditing.network(reads_mark=False)
    net = og.Network(net.model, preprocess="unit", labels=[evil, "blue"])
    (folder / "red").rename(folder / "0")
    og.audit(net, folder, out=tmp_path / "out")
    assert evil not in (tmp_path / "out" / "index.html").read_text()


def test_an_interrupted_audit_leaves_the_earlier_page(reader, folder, tmp_path):
    og.audit(reader, folder, out=tmp_path / "out")
    before = (tmp_path / "out" / "index.html").read_bytes()

    def stopped(done, total, what):
        if what == "pages":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        og.audit(reader, folder, out=tmp_path / "out", listed=1, progress=stopped)
    assert (tmp_path / "out" / "index.html").read_bytes() == before
    assert not list((tmp_path / "out").rglob("*.part*"))


def test_a_saved_audit_is_loaded_again(found, tmp_path):
    again = og.load_result(found.save(tmp_path / "audit.npz"))
    assert again.suspects == found.suspects
    assert again.as_json() == found.as_json()
    assert found.plot().width > 300


def test_the_command_writes_pages_and_prints_json(folder, tmp_path):
    model = tmp_path / "colors.keras"
    auditing.network(reads_mark=False).model.save(model)
    (tmp_path / "colors.labels.txt").write_text("red\nblue\n")
    words = ["audit", str(folder), "--model", str(model), "--preprocess", "unit"]
    words += ["--out", str(tmp_path / "out"), "--method", "saliency"]
    done = CliRunner().invoke(main, [*words, "--json"])
    assert done.exit_code == 1, done.output  # one photo is broken
    document = json.loads(done.stdout)
    assert document["command"] == "audit" and document["accuracy"]["count"] == 12
    assert [one["photo"] for one in document["skipped"]] == ["blue/broken.jpg"]
    assert "blue/broken.jpg" in done.stderr
    total = len(document["photos"])
    table = list(csv.DictReader(CliRunner().invoke(main, [*words, "--csv"]).stdout.splitlines()))
    assert [row["photo"] for row in table[:total]] == [one["photo"] for one in document["photos"]]
    assert {(row["truth"], row["truth_label"]) for row in table[:total]} == {
        ("0", "red"),
        ("1", "blue"),
    }
    assert table[total]["photo"] == "blue/broken.jpg" and table[total]["error"]
    missing = CliRunner().invoke(main, [*words, "--truth", str(tmp_path / "no.csv")])
    assert missing.exit_code == 2 and "no.csv is no file" in missing.stderr
    page = (tmp_path / "out" / "index.html").read_text()
    assert MARK in page
