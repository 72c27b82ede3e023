"""The report: one self-contained page, whole or not there."""

import base64
import functools
import hashlib
import html
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import attention_networks
import optogram as og
from optogram.errors import InputError, OutputError
from optogram.files import MARK
from optogram.reporting import patterns as cache
from optogram.reporting import report as writing
from optogram.reporting.attended import some

pytestmark = pytest.mark.once

EVIL = "<script>alert(1)</script>"
GRAY = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)


class Page(HTMLParser):
    """What a test asks of a page."""

    def __init__(self, path):
        super().__init__()
        self.images, self.links, self.tags, self.headings = [], [], [], []
        self.words = []
        self.html = path.read_text(encoding="utf-8")
        self.feed(self.html)
        self.text = " ".join(self.words)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.links += [attributes[name] for name in ("src", "href") if name in attributes]
        if tag == "img":
            self.images.append(attributes)
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(int(tag[1]))

    def handle_data(self, data):
        if self.tags[-1:] != ["style"]:
            self.words += data.split()


def decoded_of(image):
    decoded = Image.open(io.BytesIO(base64.b64decode(image["src"].split(",")[1])))
    decoded.load()
    return decoded


@functools.cache
def tiny(shape=(24, 32, 3), outputs=3, activation="softmax", labels=None):
    """A network, opened once for all tests that ask for the same."""
    keras.utils.set_random_seed(0)
    image = keras.Input(shape)
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(image)
    x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="second")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(outputs, activation=activation)(x)
    return og.Network(keras.Model(image, x, name="tiny"), preprocess="unit", labels=labels)


def interrupted_at(word):
    def progress(done, total, what):
        if word in what:
            raise KeyboardInterrupt

    return progress


@pytest.fixture(scope="module")
def net():
    return og.load("efficientnet-lite0")


@pytest.fixture(scope="module")
def chelsea(net, tmp_path_factory):
    told = []
    path = og.report(
        net,
        og.datasets.sample_photo(),
        out=tmp_path_factory.mktemp("there") / "new" / "report",
        progress=lambda *args: told.append(args),
    )
    return path, Page(path), told


def test_the_page_is_alone_in_its_folder_and_readable_as_any_new_file(chelsea, tmp_path):
    path, _, _ = chelsea
    assert [file.name for file in path.parent.iterdir()] == ["index.html"]
    (tmp_path / "any").touch()
    assert path.stat().st_mode == (tmp_path / "any").stat().st_mode


def test_the_page_needs_nothing_but_itself(chelsea):
    path, page, _ = chelsea
    assert page.links
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert not {"link", "iframe"} & set(page.tags)
    assert "url(" not in page.html
    assert "http" not in page.html.replace("http-equiv", "")
    assert path.stat().st_size < 3_000_000


def test_only_the_script_of_the_page_may_run(chelsea):
    _, page, _ = chelsea
    assert page.tags.count("script") == 1
    (script,) = re.findall(r"<script>(.*?)</script>", page.html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert f"default-src 'none'; img-src data:; {policy}" in html.unescape(page.html)


def test_every_picture_has_words_and_decodes(chelsea):
    _, page, _ = chelsea
    # photo, input, (3 classes + 1 difference) × 3 methods, 5 sizes of maps × 2, crops of 3 filters
    # of the 3 layers that do not see the whole image, kernels; viewer: the photo and 12 layers
    assert len(page.images) == 2 + 12 + 10 + 9 + 1 + 13
    assert sum("layer" in image.get("class", "") for image in page.images) == 12
    for image in page.images:
        assert image["alt"]
        decoded = decoded_of(image)
        assert decoded.size == (int(image["width"]), int(image["height"]))
        assert np.ptp(np.asarray(decoded)) > 50


def test_the_viewer_has_a_layer_for_each_choice_and_transparent_neutral_places(chelsea):
    _, page, _ = chelsea
    layers = [image for image in page.images if "data-row" in image]
    assert [(one["data-row"], one["data-method"]) for one in layers] == [
        (str(row), str(method)) for method in range(3) for row in range(4)
    ]
    alpha = np.asarray(decoded_of(layers[0]).convert("RGBA"))[..., 3]
    assert alpha.max() > 200, "the strongest place of Grad-CAM is opaque"
    assert alpha.min() < 20, "where Grad-CAM is near zero the photo shows"
    assert 'class="viewer" hidden' in page.html, "without JavaScript it stays hidden"


def test_headings_leave_out_no_level(chelsea):
    _, page, _ = chelsea
    assert page.headings[0] == 1
    assert all(
        after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False)
    )


@pytest.mark.parametrize(
    "words",
    [
        "What efficientnet-lite0 sees",
        "chelsea.png",
        "Egyptian cat 76.3% n02124075, class 285",
        "tiger cat 10.8%",
        "Grad-CAM",
        "Saliency",
        "Occlusion",
        "96 maps of 112×112",
        "1280 maps of 7×7",
        "The 64 of 1280 maps that tell most",
        "tiger cat minus Egyptian cat why not tiger cat?",
        "Check: This map changes when the weights are scrambled",
        "The map of Egyptian cat was checked",
        "32 kernels of stem_conv",
        "144 layers",
        "4,694,024 parameters",
    ],
)
def test_the_page_tells(chelsea, words):
    _, page, _ = chelsea
    assert words in page.text


def test_as_many_maps_are_checked_as_asked_for(tmp_path):
    def checks(count, check):
        photos = [GRAY] * count
        return Page(og.report(tiny(), photos, out=tmp_path, top=1, check=check)).text.count(
            "Check:"
        )

    assert (checks(1, None), checks(1, True), checks(1, False), checks(5, None)) == (1, 3, 0, 0)


def test_the_methods_asked_for_are_shown(tmp_path):
    asked = ["lrp", "smoothgrad", "scorecam"]
    page = Page(og.report(tiny(), GRAY, out=tmp_path, top=1, methods=asked, check=False))
    for words in ("LRP", "SmoothGrad", "Score-CAM", "handed back, step by step"):
        assert words in page.text
    assert "Occlusion" not in page.text and "Grad-CAM:" not in page.text
    for wrong, said in (("gradcan", "did you mean|gradcam"), ([], "at least one method")):
        with pytest.raises(InputError, match=said):
            og.report(tiny(), GRAY, out=tmp_path, methods=wrong)


def test_progress_goes_one_way_and_says_what(chelsea):
    _, _, told = chelsea
    done, totals, words = zip(*told, strict=True)
    assert done[0] == 0
    assert list(done) == sorted(done)
    assert set(totals) == {done[-1]}
    assert "chelsea.png: Occlusion sensitivity" in words
    assert words.count("chelsea.png: Occlusion sensitivity") > 2


def test_names_and_labels_cannot_become_markup(tmp_path):
    photo = tmp_path / "<script>x & y.png"
    Image.fromarray(GRAY).save(photo)
    page = Page(og.report(tiny(labels=(EVIL, "b", "c")), photo, out=tmp_path / "out"))
    assert page.tags.count("script") == 1
    assert "alert(1)" not in re.findall(r"<script>(.*?)</script>", page.html, re.DOTALL)[0]
    assert EVIL in page.text
    assert photo.name in page.text


@pytest.mark.parametrize("moment", ["prediction", "Occlusion", "network"])
def test_an_interrupted_run_leaves_the_old_report_as_it_was(tmp_path, moment):
    old = tmp_path / "index.html"
    old.write_text(f"old, {MARK}")
    with pytest.raises(KeyboardInterrupt):
        og.report(tiny(), GRAY, out=tmp_path, progress=interrupted_at(moment))
    assert list(tmp_path.iterdir()) == [old]
    assert old.read_text() == f"old, {MARK}"


def test_a_page_of_somebody_else_is_kept_and_told_before_the_work(tmp_path):
    (tmp_path / "index.html").write_text("<h1>My pages, also about optogram</h1>")
    told = []
    with pytest.raises(OutputError, match="optogram did not make it"):
        og.report(tiny(), GRAY, out=tmp_path, progress=lambda *args: told.append(args))
    assert not told
    (tmp_path / "index.html").unlink()
    page = og.report(tiny(), GRAY, out=tmp_path)
    before = page.stat().st_ino
    assert og.report(tiny(), GRAY, out=tmp_path).stat().st_ino != before, "its own is renewed"


def test_an_interruption_while_the_page_is_written_leaves_no_part_of_it(tmp_path, monkeypatch):
    def interrupted(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        og.report(tiny(), GRAY, out=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["file", "file/below", "folder"])
def test_a_place_that_cannot_be_written_to_is_found_before_the_work(tmp_path, place):
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "index.html").mkdir(parents=True)
    told = []
    with pytest.raises(OutputError) as caught:
        og.report(tiny(), GRAY, out=tmp_path / place, progress=lambda *args: told.append(args))
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    assert not told


def test_several_photos_have_an_index(tmp_path):
    photos = [GRAY, Image.fromarray(GRAY).rotate(90), og.datasets.sample_photo("rocket")]
    page = Page(og.report(tiny(), photos, out=tmp_path, top=1))
    anchors = [link for link in page.links if link.startswith("#")]
    assert anchors == ["#photo-1", "#photo-2", "#photo-3", "#network"]
    for anchor in anchors:
        assert f'id="{anchor[1:]}"' in page.html
    assert "photo 2" in page.text
    assert "rocket.jpg" in page.text


def test_no_photo_and_no_class_are_refused(tmp_path):
    with pytest.raises(InputError, match="at least one photo"):
        og.report(tiny(), [], out=tmp_path)
    with pytest.raises(InputError, match="top must be a whole number, 1 or more"):
        og.report(tiny(), GRAY, out=tmp_path, top=0)


def test_a_damaged_photo_among_several_is_found_before_the_work(tmp_path):
    told = []
    with pytest.raises(InputError, match=r"missing\.png"):
        og.report(
            tiny(),
            [GRAY, tmp_path / "missing.png"],
            out=tmp_path / "out",
            progress=lambda *args: told.append(args),
        )
    assert not told


@pytest.mark.each_backend
def test_one_sigmoid_has_two_classes(tmp_path):
    net = tiny(outputs=1, activation="sigmoid", labels=("no", "yes"))
    page = Page(og.report(net, GRAY, out=tmp_path))
    assert "100% over all 2 classes" in page.text
    assert "Both classes share one output" in page.text
    assert "minus" not in page.text, "the difference would be the same map"
    assert len(page.images) == 2 + 6 + 4 + 6 + 1 + (1 + 6)


def test_independent_sigmoids_do_not_add_up(tmp_path):
    page = Page(og.report(tiny(activation="sigmoid"), GRAY, out=tmp_path, top=1))
    assert "need not add up" in page.text


def test_a_single_number_is_no_probability(tmp_path):
    page = Page(og.report(tiny(outputs=1, activation=None), GRAY, out=tmp_path))
    assert "this is its value" in page.text
    assert "%" not in page.text


def test_fewer_classes_than_asked_for_are_all_explained(tmp_path):
    page = Page(og.report(tiny(), GRAY, out=tmp_path, top=10))
    assert len(page.images) == 2 + 12 + 4 + 6 + 1 + (1 + 12)


@pytest.mark.parametrize("channels", [1, 4])
def test_other_numbers_of_channels(tmp_path, channels):
    photo = np.repeat(GRAY[..., None], channels, axis=-1)
    page = Page(og.report(tiny(shape=(28, 28, channels)), photo, out=tmp_path, top=1))
    assert f"28×28×{channels}" in page.text
    assert len(page.images) == 2 + 6 + 4 + 6 + 1 + (1 + 6)


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_what_the_network_did_not_see_is_not_explained(tmp_path, fit):
    photo = og.datasets.sample_photo("rocket")
    page = Page(og.report(tiny(), photo, out=tmp_path, top=1, fit=fit))
    assert "The maps are drawn over the part of the photo that the network saw" in page.text


def test_a_network_of_any_size_sees_the_photo_as_it_is(tmp_path):
    page = Page(og.report(tiny(shape=(None, None, 3)), [GRAY, GRAY[:20]], out=tmp_path, top=1))
    assert "photos as they are" in page.text
    assert "What the network saw, 20×28 pixels" in page.text


def test_a_network_without_classes_still_shows_its_blocks(tmp_path):
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(70, 3, strides=2, activation="relu")(image)
    net = og.Network(keras.Model(image, keras.layers.Conv2D(5, 3)(x)))
    page = Page(og.report(net, GRAY, out=tmp_path))
    assert "has no class per image: it returns an output of shape any×any×5" in page.text
    assert "The 64 of 70 maps that tell most" in page.text
    assert "Grad-CAM for" not in page.html
    assert net.warnings[0] in page.text


def test_a_network_without_maps_is_explained_without_them(tmp_path):
    image = keras.Input((8, 8, 3))
    x = keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(image))
    page = Page(og.report(og.Network(keras.Model(image, x)), GRAY, out=tmp_path))
    assert "There is no Grad-CAM" in page.text
    assert "No layer of this network has feature maps larger than 1×1" in page.text
    assert "so no kernels are shown" in page.text
    assert len(page.images) == 2 + 8 + (1 + 8)


def test_targets_take_the_place_of_the_top_classes(tmp_path):
    net = tiny(labels=("ant", "bee", "cat"))
    page = Page(og.report(net, GRAY, out=tmp_path, target=["cat", 0, 2], check=False))
    explained = [image["alt"] for image in page.images if "data-method" in image]
    classes = {alt.split(" for ")[1].split(",")[0] for alt in explained}
    winner = net.predict(GRAY, top=1)[0][0].label
    rival = next(name for name in ("cat", "ant") if name != winner)
    assert classes == {"cat", "ant", f"{rival} minus {winner}"}
    with pytest.raises(InputError, match="classes"):
        og.report(net, GRAY, out=tmp_path, target=og.Filter("first", 0))


@pytest.fixture
def folders(tmp_path):
    """Two photos in the folders of their classes, of which the network gets one right."""
    net = tiny(labels=("ant", "bee", "cat"))
    answer = net.predict(GRAY, top=1)[0][0].label
    wrong = next(name for name in net.labels.names if name != answer)
    paths = []
    for name in (answer, wrong):
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / "photo.png")
        Image.fromarray(GRAY).save(paths[-1])
    return net, paths, answer, wrong


def marked(page):
    return page.html.count("✓ right"), page.html.count("✗ wrong")


def test_folders_are_the_truth_and_a_wrong_answer_is_compared_with_it(folders, tmp_path):
    net, paths, answer, wrong = folders
    page = Page(og.report(net, paths, out=tmp_path / "r", truth=True, top=1, check=False))
    assert "1 of 2 predictions are right." in page.text
    assert marked(page) == (2, 2), "in the sheet and in the section"
    assert f"true: {wrong}" in page.text
    assert f"{wrong} minus {answer} why not {wrong}?" in page.text
    with pytest.raises(InputError, match="is no class of the network"):
        og.report(net, og.datasets.sample_photo(), out=tmp_path / "r", truth=True)


def test_the_truth_can_be_a_table_or_a_sequence(folders, tmp_path):
    net, paths, answer, wrong = folders
    table = tmp_path / "truth.csv"
    table.write_text(f"Photo,Label\n{answer}/photo.png,{answer}\n{wrong}/photo.png,{answer}\n")
    few = {"top": 1, "check": False, "out": tmp_path / "r"}
    assert marked(Page(og.report(net, paths, truth=table, **few))) == (4, 0)
    index = net.class_index(answer)
    assert marked(Page(og.report(net, paths, truth=[index, wrong], **few))) == (2, 2)
    table.write_text(f"photo,label\n{answer}/photo.png,{wrong}\n")
    page = Page(og.report(net, paths, truth=table, **few))
    assert "0 of 1 prediction is right; 1 photo has no true class" in page.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("photo,label\nother.png,ant\n", "no row for any of the photos"),
        ("photo,label\nphoto.png\n", "row 2 lacks one of them"),
        ("a,b\n1,2\n", "its header is 'a', 'b'"),
        ("", "but it has 0 rows"),
        ("photo,label\nphoto.png,dog\n", "dog"),
    ],
)
def test_a_table_that_does_not_fit_is_told_before_the_work(folders, tmp_path, text, words):
    net, paths, _, _ = folders
    table = tmp_path / "truth.csv"
    table.write_text(text)
    told = []
    with pytest.raises(InputError, match=re.escape(words)):
        og.report(
            net,
            paths,
            out=tmp_path / "r",
            truth=table,
            progress=lambda *args: told.append(args),
        )
    assert not told
    with pytest.raises(InputError, match="one each"):
        og.report(net, paths, out=tmp_path / "r", truth=[0])


def patterns_in(page):
    return [image for image in page.images if image["alt"].startswith("Image that maximizes")]


def test_patterns_are_kept_for_each_network_and_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "patterns_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(cache, "STEPS", 4)
    net, few = tiny(), {"top": 1, "check": False, "out": tmp_path / "r"}
    with monkeypatch.context() as without_marks:
        without_marks.setattr(cache, "fingerprint", None)  # none is taken for an empty cache
        assert not patterns_in(Page(og.report(net, GRAY, **few))), "nothing is computed unasked"
    first = Page(og.report(net, GRAY, patterns=True, **few))
    assert patterns_in(first)
    kept = sorted((tmp_path / "cache").iterdir())
    assert len(kept) == len(patterns_in(first))

    monkeypatch.setattr(cache, "maximize", None)  # from here on all come from the cache
    opened_again = tiny.__wrapped__()
    again = Page(og.report(opened_again, GRAY, **few))
    assert [one["src"] for one in patterns_in(again)] == [one["src"] for one in patterns_in(first)]
    assert not patterns_in(Page(og.report(net, GRAY, patterns=False, **few)))
    assert not patterns_in(Page(og.report(tiny(outputs=2, shape=(16, 16, 3)), GRAY, **few)))

    kept[0].write_bytes(b"damaged")
    assert len(patterns_in(Page(og.report(net, GRAY, **few)))) == len(kept) - 1
    monkeypatch.setattr(cache, "_MOST_BYTES", 0)
    cache._prune()
    assert not list((tmp_path / "cache").iterdir())


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(cache, "patterns_folder", lambda: tmp_path / "file" / "below")
    monkeypatch.setattr(cache, "STEPS", 2)
    page = Page(og.report(tiny(), GRAY, out=tmp_path / "r", top=1, check=False, patterns=True))
    assert patterns_in(page)


def test_many_photos_have_smaller_pictures(tmp_path, monkeypatch):
    few = {"top": 1, "check": False, "patterns": False}
    photos = [og.datasets.sample_photo()] * 2
    large = og.report(tiny(), photos, out=tmp_path / "large", **few)
    monkeypatch.setattr(writing, "_FEW", 1)
    small = og.report(tiny(), photos, out=tmp_path / "small", **few)
    assert small.stat().st_size < large.stat().st_size

    def mosaics(path):
        return [
            int(image["width"]) for image in Page(path).images if "feature maps" in image["alt"]
        ]

    assert max(mosaics(small)) < 0.7 * max(mosaics(large))


def test_attention_of_a_transformer_and_the_layers_that_it_reads(tmp_path):
    net = og.Network(attention_networks.vit(1, "token"), preprocess="unit")
    photo = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    page = Page(og.report(net, photo, tmp_path, methods="saliency", check=False))
    shown = [image["alt"] for image in page.images if image["alt"].startswith("Attention")]
    ends = ("of block0_mha, over photo 1", "of block1_mha, over photo 1", "rollout, photo 1")
    assert shown == [f"Attention {end}" for end in ends]
    assert "Which patches the class token reads" in page.text
    # All maps have one size: those that attention reads, not the last ones alone.
    for layer in ("block0_ln1", "block1_ln1"):
        assert any(image["alt"].endswith(f"of {layer}") for image in page.images), layer
    without = Page(og.report(tiny(), GRAY, tmp_path, methods="saliency", check=False))
    assert "class token" not in without.text


def test_what_is_shown_of_many_layers_is_spread_over_the_network():
    assert some(range(12), 4) == [2, 5, 8, 11] and some("ab", 6) == ["a", "b"]
    assert some([], 4) == [] and some("abc", 0) == []
