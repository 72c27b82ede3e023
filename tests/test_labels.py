"""Class names: ImageNet's, numbered and the user's."""

import json
import re

import pytest

from optogram.errors import InputError
from optogram.network.labels import Labels, imagenet, numbered, read_labels

pytestmark = pytest.mark.once

# Known from elsewhere: the order in which every ImageNet network numbers its classes.
SPOT_CHECKS = {
    0: ("n01440764", "tench"),
    1: ("n01443537", "goldfish"),
    65: ("n01751748", "sea snake"),
    134: ("n02012849", "crane (bird)"),
    141: ("n02028035", "redshank"),
    207: ("n02099601", "golden retriever"),
    258: ("n02111889", "Samoyed"),
    263: ("n02113023", "Pembroke"),
    264: ("n02113186", "Cardigan Welsh corgi"),
    281: ("n02123045", "tabby"),
    282: ("n02123159", "tiger cat"),
    285: ("n02124075", "Egyptian cat"),
    293: ("n02130308", "cheetah"),
    340: ("n02391049", "zebra"),
    385: ("n02504013", "Indian elephant"),
    386: ("n02504458", "African elephant"),
    404: ("n02690373", "airliner"),
    474: ("n02963159", "cardigan"),
    504: ("n03063599", "coffee mug"),
    517: ("n03126707", "crane (machine)"),
    638: ("n03710637", "maillot (tights)"),
    639: ("n03710721", "maillot (tank suit)"),
    817: ("n04285008", "sports car"),
    836: ("n04355933", "sunglass (lens)"),
    837: ("n04356056", "sunglasses"),
    954: ("n07753592", "banana"),
    999: ("n15075141", "toilet tissue"),
}


def test_imagenet_has_1000_unique_names_in_the_standard_order():
    labels = imagenet()
    assert len(labels) == 1000
    assert len({name.casefold() for name in labels.names}) == 1000
    assert list(labels.ids) == sorted(set(labels.ids))
    assert {number: (labels.ids[number], labels.names[number]) for number in SPOT_CHECKS} == (
        SPOT_CHECKS
    )
    assert all(name == name.strip() and "_" not in name for name in labels.names)


def test_every_imagenet_name_and_id_finds_its_class():
    labels = imagenet()
    for number in range(0, 1000, 37):
        assert labels.index(labels.names[number]) == number
        assert labels.index(labels.ids[number]) == number
        assert labels.index(str(number)) == number


@pytest.mark.parametrize(
    ("label", "number"),
    [
        ("Egyptian cat", 285),
        ("egyptian_cat", 285),
        ("EGYPTIAN-CAT", 285),
        ("  egyptian \t cat ", 285),
        ("N02124075", 285),
        ("285", 285),
        ("cardigan", 474),
        ("Crane (bird)", 134),
        ("sunglass", 836),
        ("hen of the woods", 996),
    ],
)
def test_index(label, number):
    assert imagenet().index(label) == number


def test_a_label_without_its_parenthesis_may_name_two_classes():
    with pytest.raises(InputError, match=r"'crane' names 2 classes: 134 \(crane \(bird\)\), 517"):
        imagenet().index("crane")


def test_shared_names_are_allowed_and_ambiguous():
    labels = read_labels(["cat", "dog", "cat"], count=3)
    assert labels.index("dog") == 1
    with pytest.raises(InputError, match=r"2 classes: 0 \(cat\), 2 \(cat\); give the number"):
        labels.index("cat")
    assert labels.index("2") == 2


def test_unknown_label_names_the_nearest():
    with pytest.raises(InputError, match=r"'tabi' .*the nearest are .*'tabby'.* from 0 to 999"):
        imagenet().index("tabi")


def test_an_unknown_label_lists_classes_with_its_words_first():
    with pytest.raises(InputError) as caught:
        imagenet().index("cat")
    hint = str(caught.value)
    numbers = [int(number) for number in re.findall(r"\((\d+)\)", hint)]
    assert numbers[:5] == [282, 283, 284, 285, 383]  # tiger cat … Egyptian cat, Madagascar cat
    assert all(imagenet().names[n].casefold().split()[-1] == "cat" for n in numbers[:4])
    assert len(numbers) == 8
    assert "crate" not in hint
    with pytest.raises(InputError, match=r"'tabby cat' .*the nearest are 'tabby' \(281\), .* cat'"):
        imagenet().index("tabby cat")


def test_find():
    labels = imagenet()
    words = [labels.names[number] for number in labels.find("CAT")]
    assert words[:4] == ["tiger cat", "Persian cat", "Siamese cat", "Egyptian cat"]
    assert words[-3:] == ["catamaran", "oystercatcher", "polecat"]  # begins with it, contains it
    assert labels.find("dog shepherd")[0] in labels.find("shepherd")
    assert labels.find("") == labels.find("()") == []
    assert labels.find("qqqqqq") == []


@pytest.mark.parametrize("label", ["1000", "-1", "", "()", "qqqqqq"])
def test_no_class(label):
    with pytest.raises(InputError, match="is not a class of this network"):
        imagenet().index(label)


def test_no_name_is_known_of_a_network_without_class_names():
    with pytest.raises(
        InputError, match=r"no class names. Give a number from 0 to 2, or the names"
    ):
        numbered(3).index("dog")


def test_a_name_goes_before_a_number():
    assert read_labels(["7", "3", "1"]).index("1") == 2


def test_numbered():
    labels = numbered(3)
    assert labels == Labels(("class 0", "class 1", "class 2"), ("", "", ""))
    assert labels.index("Class_2") == labels.index("2") == 2


def test_labels_pass_through():
    assert read_labels(imagenet(), 1000) is imagenet()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.txt", b"tench\nEgyptian cat\n"),
        ("labels.txt", b"\xef\xbb\xbftench\r\nEgyptian cat  \r\n\r\n\n"),
        ("labels", b"tench\nEgyptian cat"),
        ("labels.json", b'["tench", "Egyptian cat"]'),
        ("labels.json", b'\xef\xbb\xbf["tench", "Egyptian cat"]'),
        ("labels.json", b'{"1": "Egyptian cat", "0": "tench"}'),
    ],
)
def test_files(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    expected = Labels(("tench", "Egyptian cat"), ("", ""))
    assert read_labels(tmp_path / name, 2) == expected
    assert read_labels(str(tmp_path / name), 2) == expected


def test_json_as_keras_writes_it(tmp_path):
    path = tmp_path / "class_index.json"
    path.write_text(json.dumps({"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}))
    labels = read_labels(path, 2)
    assert labels == Labels(("tench", "goldfish"), ("n01440764", "n01443537"))
    assert labels.index("n01443537") == 1


def test_mapping():
    assert read_labels({1: "dog", 0: "cat"}, 2).names == ("cat", "dog")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("labels.txt", b"\n".join([b"x"] * 12), "Expected 10 labels.*; labels.txt has 12"),
        ("labels.txt", b"", "labels.txt has 0"),
        ("labels.txt", "Käse".encode("latin-1"), "labels.txt is not UTF-8 text"),
        ("labels.txt", "cat\n".encode("utf-16"), "labels.txt is not UTF-8 text"),
        ("labels.txt", b"cat\n\ndog\n", "Label 1 of labels.txt must be a name, got ''"),
        ("labels.txt", bytes(10_000_001), "labels.txt is larger than 10 MB"),
        ("labels.json", b'["cat"', "labels.json is damaged JSON"),
        ("labels.json", b"[" * 100_000, "labels.json is damaged JSON"),
        ("labels.json", b'"cat"', "labels.json holds a str"),
        ("labels.json", b"3", "labels.json holds an int"),
        ("labels.json", b'["cat", 3]', "Label 1 of labels.json must be a name, got 3"),
        ("labels.json", b'{"0": ["a", "b", "c"]}', "Label 0 of labels.json must be a name"),
        ("labels.json", b'{"cat": 0}', "keys of labels.json .*, not 'cat'"),
        ("labels.json", b'{"0": "cat", "2": "dog"}', "0 to 1, not '2'"),
    ],
)
def test_bad_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_labels(tmp_path / name, 10)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match=r"No labels file .*none\.txt"):
        read_labels(tmp_path / "none.txt", 2)
    with pytest.raises(InputError, match="No labels file"):
        read_labels(tmp_path, 2)


@pytest.mark.parametrize("entries", [["cat", 3], ["cat", None], ["cat", " "], ["cat", ["dog"]]])
def test_entries_that_are_no_names(entries):
    with pytest.raises(InputError, match="Label 1 of the list given must be a name"):
        read_labels(entries, 2)


def test_wrong_number_or_kind():
    with pytest.raises(InputError, match="Expected 3 labels, one for each output; the list given"):
        read_labels(["cat", "dog"], 3)
    with pytest.raises(InputError, match="holds an int; expected a list of names"):
        read_labels(3, 3)
