"""Pictures as bytes and files."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from optogram.errors import InputError, OutputError
from optogram.render import data_uri, to_bytes, write

PHOTO = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


def opened(data):
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("format, name", [("png", "PNG"), ("JPEG", "JPEG"), ("webp", "WEBP")])
def test_bytes_hold_the_picture(format, name):
    image = opened(to_bytes(PHOTO, format))
    assert (image.format, image.size) == (name, (30, 20))


def test_png_keeps_every_pixel():
    assert np.array_equal(opened(to_bytes(PHOTO)), PHOTO)


def test_quality_costs_bytes():
    assert len(to_bytes(PHOTO, "jpeg", quality=95)) > len(to_bytes(PHOTO, "jpeg", quality=30))


def test_a_data_uri_names_its_type():
    head, data = data_uri(PHOTO, "jpg").split(",")
    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(data) == to_bytes(PHOTO, "jpeg")


@pytest.mark.parametrize("name", ["a.png", "a.JPG", "a.jpeg", "a.webp"])
def test_the_extension_decides(tmp_path, name):
    path = write(PHOTO, str(tmp_path / name))
    assert opened(path.read_bytes()).size == (30, 20)
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = write(PHOTO, tmp_path / "a.png")
    before = path.read_bytes()

    def full_disk(self, data):
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OutputError, match="No space left"):
        write(PHOTO // 2, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.bmp", "a", "a.gif"])
def test_an_unknown_extension_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="png, jpeg, jpg, webp"):
        write(PHOTO, tmp_path / name)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    for folder in ("missing", "file"):
        with pytest.raises(OutputError, match=r"a\.png cannot be written"):
            write(PHOTO, tmp_path / folder / "a.png")
