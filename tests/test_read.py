"""Reading pictures: every mode Pillow knows, upright and opaque; every bad input one sentence."""

import io
import os
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from optogram.errors import InputError
from optogram.pictures import read
from optogram.pictures.read import PIXEL_LIMIT, read_picture

pytestmark = pytest.mark.once

RED, WHITE = (255, 0, 0), (255, 255, 255)
SHADES = np.array([[0, 1, 257], [1000, 40000, 65535]], np.uint16)


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    return pytest.importorskip("skimage.data").chelsea()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(source, channels=3) -> str:
    with pytest.raises(InputError) as caught:
        read_picture(source, channels)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def noise(*shape) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


# Files


def test_a_photo_comes_back_unchanged_from_path_image_and_array(folder, cat):
    Image.fromarray(cat).save("cat.png")
    for source in ("cat.png", folder / "cat.png", Image.fromarray(cat), cat):
        picture = read_picture(source)
        assert picture.dtype == np.uint8
        assert picture.flags.writeable
        np.testing.assert_array_equal(picture, cat)


def test_the_result_is_no_view_of_the_users_array():
    for channels in (1, 3, 5):
        array = noise(4, 4, channels)
        read_picture(array, channels)[:] = 0
        assert array.any()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.gif", {}),
        ("a.bmp", {}),
        ("a.tif", {}),
        ("a.tif", {"compression": "tiff_lzw"}),
        ("a.ppm", {}),
        ("a.webp", {"lossless": True}),
        ("a.jp2", {}),
        ("a.jpg", {"quality": 100}),
        ("a.avif", {"quality": 100}),
    ],
)
def test_every_format_is_read_whatever_its_ending(folder, name, options):
    if name == "a.avif" and ".avif" not in Image.registered_extensions():
        pytest.skip("this Pillow reads no AVIF")
    Image.new("RGB", (5, 3), (200, 100, 50)).save(name, **options)
    Path(name).rename("renamed.txt")
    picture = read_picture("renamed.txt")
    assert picture.shape == (3, 5, 3)
    assert np.abs(picture.astype(int) - (200, 100, 50)).max() <= 3


# Modes


@pytest.mark.parametrize("mode", ["RGB", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"])
def test_color_modes_become_rgb(cat, mode):
    small = Image.fromarray(cat).resize((40, 30))
    if mode == "LAB":
        cms = pytest.importorskip("PIL.ImageCms")
        to_lab = cms.buildTransform(
            cms.createProfile("sRGB"), cms.createProfile("LAB"), "RGB", mode
        )
        image = cms.applyTransform(small, to_lab)
    else:
        image = small.convert(mode)
    assert image.mode == mode
    difference = read_picture(image).astype(int) - np.asarray(small)
    assert np.abs(difference).mean() < 3


def test_cmyk_jpeg(folder):
    Image.new("RGB", (8, 8), RED).convert("CMYK").save("print.jpg", quality=95)
    assert np.abs(read_picture("print.jpg").astype(int) - RED).max() <= 4


@pytest.mark.parametrize("mode", ["L", "1"])
def test_gray_is_repeated_to_three_channels(folder, mode):
    Image.fromarray(np.uint8([[0, 255]])).convert(mode).save("gray.png")
    np.testing.assert_array_equal(read_picture("gray.png"), [[(0, 0, 0), WHITE]])
    np.testing.assert_array_equal(read_picture("gray.png", 1), [[[0], [255]]])


def test_color_becomes_luma_for_a_gray_network(cat):
    luma = np.asarray(Image.fromarray(cat).convert("L"))[..., None]
    for source in (Image.fromarray(cat), cat):
        np.testing.assert_array_equal(read_picture(source, 1), luma)
    np.testing.assert_allclose(read_picture(cat.astype(np.float32), 1), luma, atol=0.6)


def test_alpha_is_laid_over_white(folder):
    pixels = np.uint8([[(*RED, 255), (*RED, 0), (*RED, 51)]])
    expected = [[RED, WHITE, (255, 204, 204)]]
    Image.fromarray(pixels).save("logo.png")
    np.testing.assert_array_equal(read_picture("logo.png"), expected)
    np.testing.assert_array_equal(read_picture(pixels), expected)
    np.testing.assert_allclose(read_picture(pixels.astype(float)), expected, atol=1e-4)


def test_gray_with_alpha(folder):
    Image.merge("LA", [Image.new("L", (2, 1), 0), Image.fromarray(np.uint8([[255, 0]]))]).save(
        "la.png"
    )
    np.testing.assert_array_equal(read_picture("la.png"), [[(0, 0, 0), WHITE]])
    np.testing.assert_array_equal(read_picture("la.png", 1), [[[0], [255]]])


@pytest.mark.parametrize("transparency", [None, 1, b"\xff\x00"])
@pytest.mark.parametrize("ending", ["png", "gif"])
def test_palette(folder, ending, transparency):
    if ending == "gif" and isinstance(transparency, bytes):
        pytest.skip("GIF has one transparent entry")
    image = Image.fromarray(np.uint8([[0, 1]]))
    image.putpalette([*RED, 0, 0, 255])
    image.save(f"p.{ending}", **({} if transparency is None else {"transparency": transparency}))
    second = (0, 0, 255) if transparency is None else WHITE
    np.testing.assert_array_equal(read_picture(f"p.{ending}"), [[RED, second]])


@pytest.mark.parametrize(("mode", "key"), [("RGB", RED), ("L", 7), ("I;16", 1000)])
def test_a_transparent_color_is_white(folder, mode, key):
    image = Image.new(mode, (2, 1))
    image.putpixel((1, 0), key)
    image.save("key.png", transparency=key)
    np.testing.assert_array_equal(read_picture("key.png"), [[(0, 0, 0), WHITE]])


@pytest.mark.parametrize("ending", ["png", "tif", "pgm", "jp2"])
def test_sixteen_bit_gray_keeps_its_fractions(folder, ending):
    if ending == "pgm":  # which Pillow 10 reads but does not write
        Path("deep.pgm").write_bytes(b"P5 3 2 65535\n" + SHADES.astype(">u2").tobytes())
    else:
        Image.fromarray(SHADES).save(f"deep.{ending}")
    picture = read_picture(f"deep.{ending}", 1)
    assert picture.dtype == np.float32
    np.testing.assert_allclose(picture[..., 0], SHADES / 257, rtol=1e-6)
    np.testing.assert_array_equal(read_picture(f"deep.{ending}"), picture.repeat(3, axis=2))


def test_sixteen_bit_arrays_and_big_endian_images(folder):
    expected = (SHADES / 257)[..., None]
    big_endian = SHADES.astype(">u2")
    image = Image.frombytes("I;16B", (3, 2), big_endian.tobytes())
    for source in (SHADES, big_endian, image):
        np.testing.assert_allclose(read_picture(source, 1), expected, rtol=1e-6)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers_of_unknown_range_are_read_only_within_0_to_255(folder, mode):
    Image.fromarray(np.uint8([[0, 200]])).convert(mode).save("x.tif")
    np.testing.assert_array_equal(read_picture("x.tif", 1), [[[0], [200]]])
    Image.fromarray(np.float32([[0, 4095]])).convert(mode).save("x.tif")
    sentence = refusal("x.tif")
    assert "'x.tif'" in sentence
    assert "from 0 to 4095" in sentence


# Orientation


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize(
    ("orientation", "corner", "shape"),
    [
        (1, (0, 0), (16, 32)),
        (2, (0, -1), (16, 32)),
        (3, (-1, -1), (16, 32)),
        (4, (-1, 0), (16, 32)),
        (5, (0, 0), (32, 16)),
        (6, (0, -1), (32, 16)),
        (7, (-1, -1), (32, 16)),
        (8, (-1, 0), (32, 16)),
        (0, (0, 0), (16, 32)),
        (99, (0, 0), (16, 32)),
    ],
)
def test_exif_orientation(folder, ending, orientation, corner, shape):
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:8, :8] = RED
    stored[:8, 8:] = (0, 0, 255)  # tells a mirrored picture from a turned one
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(f"phone.{ending}", exif=exif)
    picture = read_picture(f"phone.{ending}")
    assert picture.shape[:2] == shape
    redness = picture.astype(int) @ (1, -1, -1)
    assert redness[corner] > 150
    assert redness[tuple(-1 - side for side in corner)] < 50
    with Image.open(f"phone.{ending}") as image:
        np.testing.assert_array_equal(read_picture(image), picture)
    with Image.open(f"phone.{ending}") as image:
        np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(image)), picture)


def test_deep_gray_is_turned_too(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(SHADES).save("scan.png", exif=exif)
    np.testing.assert_allclose(
        read_picture("scan.png", 1)[..., 0], np.rot90(SHADES, -1) / 257, rtol=1e-6
    )


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "tif"])
def test_the_first_frame_of_an_animation(folder, ending):
    frames = [Image.new("RGB", (8, 8), color) for color in (RED, (0, 0, 255))]
    lossless = {"lossless": True} if ending == "webp" else {}
    frames[0].save(f"move.{ending}", save_all=True, append_images=frames[1:], **lossless)
    with Image.open(f"move.{ending}") as image:
        assert image.n_frames == 2
    assert (read_picture(f"move.{ending}") == RED).all()


# Bad files


def test_files_that_are_not_there_or_not_files(folder, monkeypatch):
    assert "does not exist" in refusal("gone.jpg")
    assert "'gone.jpg'" in refusal(Path("gone.jpg"))
    assert "web address" in refusal("https://example.org/cat.jpg")
    assert "folder" in refusal(folder)
    Path("empty.jpg").touch()
    assert "'empty.jpg' is empty" in refusal("empty.jpg")
    assert "cannot be opened" in refusal("empty.jpg/inside.jpg")
    assert "cannot be opened" in refusal("null\0byte.jpg")
    assert "cannot be opened" in refusal("x" * 5000)
    assert "does not exist" in refusal("two\nlines.jpg")
    if hasattr(os, "mkfifo"):
        os.mkfifo("pipe.jpg")
        assert "pipe" in refusal("pipe.jpg")

    def deny(*_):
        raise PermissionError(13, "Permission denied")

    Path("closed.jpg").write_bytes(b"content")
    monkeypatch.setattr(Path, "open", deny)
    assert "'closed.jpg' cannot be read" in refusal("closed.jpg")


@pytest.mark.parametrize(
    "content",
    [
        b"only words\n" * 30,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n",
        b"%PDF-1.4\n1 0 obj\nendobj\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"8BPS\0\1" + bytes(200),
        bytes(1000),
    ],
)
def test_what_is_no_picture_is_refused(folder, content):
    Path("notes.jpg").write_bytes(content)
    sentence = refusal("notes.jpg")
    assert "'notes.jpg' holds no picture" in sentence
    assert "PNG, JPEG" in sentence


def test_an_eps_file_starts_no_program(folder, monkeypatch):
    Image.new("RGB", (8, 8)).save("drawing.eps")
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("a program ran"))
    assert "holds no picture" in refusal("drawing.eps")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("PPM", {}),
        ("WEBP", {}),
        ("JPEG2000", {}),
    ],
)
def test_a_file_cut_short_gives_the_whole_picture_or_none(folder, cat, kind, options):
    buffer = io.BytesIO()
    Image.fromarray(cat).resize((45, 30)).save(buffer, kind, **options)
    data, path = buffer.getvalue(), Path("cut.jpg")
    path.write_bytes(data)
    whole = read_picture(path)
    for length in np.linspace(1, len(data) - 1, 40, dtype=int):
        path.write_bytes(data[:length])
        try:
            np.testing.assert_array_equal(read_picture(path), whole)
        except InputError as error:
            assert "'cut.jpg'" in str(error)
            assert "\n" not in str(error)
    path.write_bytes(data[: len(data) // 2])
    assert "cut short" in refusal(path) or "holds no picture" in refusal(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "PPM", "WEBP"])
def test_a_damaged_file_never_raises_anything_else(folder, cat, kind):
    buffer = io.BytesIO()
    exif = {"exif": Image.Exif()} if kind in ("JPEG", "PNG", "TIFF", "WEBP") else {}
    Image.fromarray(cat).resize((45, 30)).save(buffer, kind, **exif)
    generator = np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(buffer.getvalue())
        for place in generator.integers(0, len(data), 6):
            data[place] = generator.integers(256)
        Path("bad.jpg").write_bytes(data)
        try:
            assert read_picture("bad.jpg").shape[2] == 3
        except InputError as error:
            assert "\n" not in str(error)


def write_png_that_claims(path: str, width: int, height: int) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    Path(path).write_bytes(data)


@pytest.mark.parametrize(
    ("width", "height"), [(12_000, 10_001), (20_000, 20_000), (2**31 - 1, 2**31 - 1)]
)
def test_a_decompression_bomb_is_refused_by_its_header(folder, width, height):
    assert width * height > PIXEL_LIMIT
    write_png_that_claims("bomb.png", width, height)
    sentence = refusal("bomb.png")
    assert "'bomb.png'" in sentence
    assert "pixels" in sentence
    assert "shrink it" in sentence


def test_pillows_own_limit_does_not_warn(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    Image.new("RGB", (8, 8)).save("large.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_picture("large.png").shape == (8, 8, 3)


def jpeg(picture, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def test_only_scans_of_the_first_picture_are_counted(folder, monkeypatch):
    picture = noise(64, 64, 3)
    monkeypatch.setattr(read, "_SCANNED_LIMIT", 15 * picture.shape[0] * picture.shape[1])
    one, film = jpeg(picture, progressive=True), b"\0\0\0\x18ftypmp42" + b"\xff\xda\0\x08" * 300
    exif = Image.Exif()
    exif[0x010E] = jpeg(picture).decode("latin-1") * 9  # previews of earlier editors
    preview = jpeg(picture, progressive=True, exif=exif, comment=b"\xff\xda" * 90)
    for name, content in (
        ("motion photo", one + film),
        ("two pictures", one + one),
        ("previews", preview),
        ("filled", one.replace(b"\xff\xda", b"\xff\xff\xff\xda")),
    ):
        Path("photo.jpg").write_bytes(content)
        pixels = read_picture("photo.jpg")
        shown = np.asarray(Image.open("photo.jpg").convert("RGB"))
        np.testing.assert_array_equal(pixels, shown, err_msg=name)
    Image.fromarray(picture).save(
        "pair.mpo", save_all=True, append_images=[Image.fromarray(picture)] * 20
    )
    read_picture("pair.mpo")
    Path("short.jpg").write_bytes(one[:-200])
    assert "scans" not in refusal("short.jpg")
    begin = one.index(b"\xff\xda")
    Path("bomb.jpg").write_bytes(one[:-2] + one[begin:-2] * 3 + one[-2:])
    assert "scans" in refusal("bomb.jpg")


def test_reading_in_threads_leaves_the_filters_of_warnings_alone(folder):
    Image.fromarray(noise(300, 300, 3)).save("photo.png")
    filters = list(warnings.filters)
    readers = [
        threading.Thread(target=lambda: [read_picture("photo.png") for _ in range(20)])
        for _ in range(4)
    ]
    seen = []
    for reader in readers:
        reader.start()
    while any(reader.is_alive() for reader in readers):
        seen.append(list(warnings.filters) == filters)
    assert all(seen)
    assert warnings.filters == filters


def test_files_are_closed(folder):
    Image.new("RGB", (8, 8)).save("a.png")
    Path("b.png").write_bytes(Path("a.png").read_bytes()[:40])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        read_picture("a.png")
        refusal("b.png")
    descriptors = Path("/proc/self/fd")
    if descriptors.exists():
        open_files = {str(entry.resolve()) for entry in descriptors.iterdir()}
        assert not any(name.startswith(str(folder)) for name in open_files)


def test_bad_pillow_images():
    assert "no pixels" in refusal(Image.new("RGB", (0, 5)))
    buffer = io.BytesIO()
    Image.fromarray(noise(30, 30, 3)).save(buffer, "JPEG")
    assert "Pillow image" in refusal(Image.open(io.BytesIO(buffer.getvalue()[:-200])))


# Arrays


def test_arrays_that_mean_the_same_picture():
    pixels = noise(3, 5, 3)
    for array in (pixels.astype(np.int64), pixels.astype(np.float16), pixels.astype(float)):
        np.testing.assert_array_equal(read_picture(array), pixels)
    np.testing.assert_array_equal(read_picture(pixels[..., 0]), pixels[..., :1].repeat(3, axis=2))
    np.testing.assert_array_equal(read_picture(pixels[..., :1], 1), pixels[..., :1])
    np.testing.assert_array_equal(read_picture(pixels > 99, 3), (pixels > 99) * 255)
    assert read_picture(pixels.astype(float)).dtype == np.float32
    assert read_picture(pixels.astype(np.int64)).dtype == np.uint8


def test_rounding_just_outside_the_range_is_clipped_and_black_is_black():
    assert read_picture(np.full((2, 2), 255.001)).max() == 255
    assert read_picture(np.zeros((2, 2))).max() == 0


def test_networks_of_other_channels_take_arrays_of_exactly_these(folder):
    bands = noise(4, 6, 13)
    np.testing.assert_array_equal(read_picture(bands, 13), bands)
    np.testing.assert_array_equal(read_picture(bands[..., :4], 4), bands[..., :4])
    Image.new("RGB", (4, 4)).save("cat.png")
    for photo in ("cat.png", Image.new("RGB", (4, 4))):
        assert "takes 13 channels" in refusal(photo, 13)
    assert "3 channels" in refusal(bands[..., :3], 13)
    assert "channels" in refusal(bands[..., 0], 13)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[0, np.nan, np.inf]]), "2 NaN or infinite values among 3"),
        (np.array([[-123.68, 151.0]]), "from -123.68 to 151"),
        (np.array([[0, 300]]), "from 0 to 300"),
        (np.array([[-1, 3]], np.int8), "from -1 to 3"),
        (np.linspace(0, 1, 6).reshape(2, 3), "multiply by 255"),
        (np.zeros((3, 8, 9), np.uint8), "transpose(1, 2, 0)"),
        (np.zeros((1, 8, 9), np.uint8), "transpose(1, 2, 0)"),
        (np.zeros((2, 8, 9, 3), np.uint8), "a batch"),
        (np.zeros((0, 8, 3), np.uint8), "no pixels"),
        (np.zeros(5, np.uint8), "shape (5,)"),
        (np.uint8(3), "shape ()"),
        (np.zeros((8, 9, 2), np.uint8), "2 channels"),
        (np.zeros((2, 2), object), "dtype object"),
        (np.zeros((2, 2), complex), "dtype complex128"),
        (np.full((2, 2), "a"), "dtype <U1"),
        (None, "not a NoneType"),
        ([[1, 2], [3, 4]], "not a list"),
        (b"cat.jpg", "given as bytes holds no picture"),
    ],
)
def test_bad_arrays(array, words):
    if isinstance(array, np.generic):
        array = np.asarray(array)
    assert words in refusal(array)


def test_a_tensor_that_cannot_become_an_array():
    class OnTheGpu:
        def __array__(self, *_, **__):
            raise TypeError("can't convert cuda:0 tensor")

    sentence = refusal(OnTheGpu())
    assert "OnTheGpu" in sentence
    assert "NumPy" in sentence


def test_small_numbers_in_sixteen_bits_are_not_taken_for_darkness():
    assert "uint8" in refusal(np.full((2, 2, 3), 200, np.uint16))
    assert read_picture(np.zeros((2, 2, 3), np.uint16)).max() == 0
