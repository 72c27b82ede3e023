"""Fashion-MNIST: read as it was written, and one sentence where a file is not what it should be."""

import gzip
import shutil

import keras
import numpy as np
import pytest

import fashion
from optogram import datasets
from optogram.errors import InputError

pytestmark = pytest.mark.once

IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@pytest.fixture
def folder(tmp_path):
    """The four files of a small set, not packed."""
    return fashion.write(tmp_path, fashion.made(train=40, test=12))


def refusal(folder) -> str:
    with pytest.raises(InputError) as error:
        datasets.fashion_mnist(folder)
    sentence = str(error.value)
    assert "\n" not in sentence and str(folder) in sentence
    assert "--data" in sentence, "it says what to do"
    return sentence


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_is_read_as_it_was_written(packed, tmp_path):
    made = fashion.made(train=40, test=12)
    found = datasets.fashion_mnist(str(fashion.write(tmp_path, made, packed)))
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        np.testing.assert_array_equal(getattr(found, name), getattr(made, name))
    assert (found.train_images.shape, found.train_images.dtype) == ((40, 28, 28), np.uint8)
    assert (found.test_labels.shape, found.test_labels.dtype) == ((12,), np.int64)
    assert len(found.classes) == 10 and found.classes[9] == "Ankle boot"


def test_debians_folder_goes_before_a_download(folder, monkeypatch):
    monkeypatch.setattr(datasets, "_DEBIAN", folder)
    monkeypatch.delattr(keras.datasets.fashion_mnist, "load_data")
    assert len(datasets.fashion_mnist().train_images) == 40


def test_keras_downloads_what_is_nowhere(tmp_path, monkeypatch):
    made = fashion.made(train=40, test=12)
    parts = (
        (made.train_images, made.train_labels.astype(np.uint8)),
        (
            made.test_images,
            made.test_labels.astype(np.uint8),
        ),
    )
    monkeypatch.setattr(datasets, "_DEBIAN", tmp_path / "nothing")
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", lambda: parts)
    found = datasets.fashion_mnist()
    np.testing.assert_array_equal(found.test_labels, made.test_labels)
    assert found.train_labels.dtype == np.int64


def test_a_failed_download_says_what_else_there_is(tmp_path, monkeypatch):
    def failing():
        raise Exception("URL fetch failure on somewhere: None -- no route\nand more")

    monkeypatch.setattr(datasets, "_DEBIAN", tmp_path / "nothing")
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", failing)
    with pytest.raises(InputError, match=r"no route\).*--data.*dataset-fashion-mnist") as error:
        datasets.fashion_mnist()
    assert "and more" not in str(error.value)


def test_no_folder(tmp_path):
    assert "is not a folder" in refusal(tmp_path / "gone")


def test_a_missing_file_is_named(folder):
    (folder / LABELS).unlink()
    assert f"{LABELS} or {LABELS}.gz" in refusal(folder)


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:-1],
        lambda whole: whole[:9],
        lambda whole: b"",
        lambda whole: whole + b"\0",
        lambda whole: b"\0\0\x0d\x03" + whole[4:],  # numbers of another type
        lambda whole: b"\0\0\x08\x01" + whole[4:],  # labels under the name of pictures
        lambda whole: whole[:4] + b"\xff" * 12 + whole[16:],  # 10²⁸ values
        lambda whole: gzip.compress(whole)[:-30],
        lambda whole: b"\x1f\x8b" + whole,
        lambda whole: gzip.compress(whole)[:30] + bytes(50),
    ],
    ids=[
        "cut",
        "head",
        "empty",
        "longer",
        "type",
        "dimensions",
        "huge",
        "gz-cut",
        "gz-no",
        "gz-damaged",
    ],
)
def test_a_damaged_file_is_named(damage, folder):
    path = folder / IMAGES
    path.write_bytes(damage(path.read_bytes()))
    assert f"{path} is damaged (" in refusal(folder)


def test_pictures_of_another_size(folder):
    fashion.write_idx(folder / IMAGES, np.zeros((12, 32, 32)))
    assert "28×28" in refusal(folder) and "(12, 32, 32)" in refusal(folder)


@pytest.mark.parametrize("labels", [np.zeros(11), np.zeros(0), np.full(12, 10)])
def test_labels_that_do_not_fit_the_pictures(labels, folder):
    fashion.write_idx(folder / LABELS, labels)
    assert f"{len(labels)} labels up to" in refusal(folder)


def test_files_of_another_set_beside_are_no_trouble(folder, tmp_path):
    shutil.copy(folder / IMAGES, folder / f"{IMAGES}.old")
    assert len(datasets.fashion_mnist(folder).test_images) == 12
