"""Nouns with their numbers and articles, as they are spoken."""

import pytest

from optogram.network.labels import Labels, numbered
from optogram.words import counted, with_article

pytestmark = pytest.mark.once


def test_nouns_agree_with_their_number():
    assert [counted(n, "map") for n in (0, 1, 2)] == ["0 maps", "1 map", "2 maps"]
    assert [counted(n, "class", "classes") for n in (1, 3)] == ["1 class", "3 classes"]


@pytest.mark.parametrize(
    "words",
    [
        "a Dense", "an Add", "an InputLayer", "an UpSampling2D", "an LSTM", "an ELU", "an RNN",
        "a ReLU", "a PReLU", "a GRU", "a UnitNormalization", "a str", "an int", "a NoneType",
    ],
)  # fmt: skip
def test_the_article_is_that_of_the_spoken_word(words):
    assert with_article(words.split()[1]) == words


def test_a_class_without_a_name_is_not_named_twice():
    assert numbered(3).numbered_name(1) == "class 1"
    labels = Labels(("cat", "class 0"), ("", ""))
    assert [labels.numbered_name(i) for i in (0, 1)] == ["cat (0)", "class 0 (1)"]
