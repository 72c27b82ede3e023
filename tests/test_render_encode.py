"""Pictures as bytes and files."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from optogram.errors import InputError, OutputError
from optogram.render import data_uri, to_bytes, write, write_gif

pytestmark = pytest.mark.once

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


@pytest.mark.parametrize("fps, milliseconds", [(5.0, 200), (10, 100), (0.5, 2000)])
def test_an_animation_has_every_frame_for_as_long_as_said(tmp_path, fps, milliseconds):
    frames = [np.full((20, 30, 3), level, np.uint8) for level in (0, 60, 255, 60)]
    path = write_gif(frames, tmp_path / "a.GIF", fps=fps)
    assert list(tmp_path.iterdir()) == [path]
    with Image.open(path) as gif:
        assert (gif.format, gif.size, gif.n_frames) == ("GIF", (30, 20), 4)
        assert gif.info["loop"] == 0  # it repeats
        for i, frame in enumerate(frames):
            gif.seek(i)
            assert gif.info["duration"] == milliseconds
            np.testing.assert_array_equal(np.asarray(gif.convert("RGB")), frame)


def test_an_animation_keeps_frames_that_do_not_change(tmp_path):
    """A climb that stands still shall be seen to."""
    with Image.open(write_gif([PHOTO] * 4, tmp_path / "a.gif")) as gif:
        durations = []
        for i in range(gif.n_frames):
            gif.seek(i)
            durations.append(gif.info["duration"])
        assert sum(durations) == 800


def test_an_animation_takes_gray_frames_and_pictures(tmp_path):
    frames = [Image.fromarray(PHOTO), PHOTO // 2, Image.fromarray(PHOTO[..., 0])]
    with Image.open(write_gif(frames, tmp_path / "a.gif")) as gif:
        assert (gif.n_frames, gif.size) == (3, (30, 20))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"path": "a.png"}, r"\.gif"),
        ({"path": "a"}, r"\.gif"),
        ({"frames": []}, "at least one frame"),
        ({"fps": 0}, "fps"),
        ({"fps": 51}, "fps"),
        ({"fps": float("nan")}, "fps"),
    ],
)
def test_animations_that_cannot_be_written(arguments, words, tmp_path):
    given = {"frames": [PHOTO], "path": "a.gif", **arguments}
    with pytest.raises(InputError, match=words):
        write_gif(given["frames"], tmp_path / given["path"], fps=given.get("fps", 5.0))
    assert not list(tmp_path.iterdir())
