"""Pictures, labels, results and weights that someone means harm with, or that were damaged.

As in `hostile_models`: each function writes several files of one kind and gives their paths.
"""

import functools
import io
import json
import os
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
from PIL import Image, PngImagePlugin

PICTURES, LABELS, RESULTS = {}, {}, {}


def of(kinds):
    def kind(function):
        kinds[function.__name__.replace("_", " ")] = function
        return function

    return kind


def write(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


class Program:
    """Writes a file when it is unpickled."""

    def __init__(self, proof):
        self.proof = str(proof)

    def __reduce__(self):
        return (open, (self.proof, "w"))


def encoded(kind, size=(64, 48), **options):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def png(*chunks):
    """A PNG file of (name, data) chunks, with right check sums."""
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_header(width, height, depth=8, color=2):
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)


PIXELS = (b"IDAT", zlib.compress(bytes(1000)))
END = (b"IEND", b"")


def tiff(*tags):
    """A TIFF file of one directory: (tag, type, count, value)."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 8)


# -- pictures --------------------------------------------------------------------------------------


@of(PICTURES)
def pictures_of_billions_of_pixels(folder):
    wide = 60_000
    yield write(folder / "a.png", png(png_header(wide, wide), PIXELS, END))
    yield write(folder / "b.png", png(png_header(2**31 - 1, 2**31 - 1, 16, 6), PIXELS, END))
    gif = bytearray(encoded("GIF"))
    gif[6:10] = struct.pack("<HH", 65535, 65535)
    yield write(folder / "c.gif", gif)
    bmp = bytearray(encoded("BMP"))
    bmp[18:26] = struct.pack("<ii", 100_000, -100_000)
    yield write(folder / "d.bmp", bmp)
    jpeg = bytearray(encoded("JPEG"))
    place = jpeg.find(b"\xff\xc0")
    jpeg[place + 5 : place + 9] = struct.pack(">HH", 65500, 65500)
    yield write(folder / "e.jpg", jpeg)
    yield write(folder / "f.ppm", b"P6 100000 100000 255\n" + bytes(100))
    sides = ((256, 4, 1, 90_000), (257, 4, 1, 90_000), (258, 3, 1, 8), (262, 3, 1, 1))
    yield write(folder / "g.tif", tiff(*sides, (273, 4, 1, 8), (279, 4, 1, 100)))
    webp = bytearray(encoded("WEBP", lossless=True))
    place = webp.find(b"VP8L") + 9
    webp[place : place + 4] = struct.pack("<I", (16383) | (16383 << 14))
    yield write(folder / "h.webp", webp)
    if "JPEG2000" in Image.SAVE:
        jp2 = bytearray(encoded("JPEG2000"))
        place = jp2.find(b"ihdr")
        jp2[place + 4 : place + 12] = struct.pack(">II", 2**31, 2**31)
        yield write(folder / "i.jp2", jp2)


@of(PICTURES)
def pictures_of_a_thousand_scans(folder):
    for mode, copies in (("L", 1000), ("RGB", 5000)):
        buffer = io.BytesIO()
        Image.new(mode, (8000, 8000), 128).save(buffer, "JPEG", progressive=True)
        data = buffer.getvalue()
        last = data[data.rfind(b"\xff\xda") : -2]
        yield write(folder / f"{mode}.jpg", data[:-2] + last * copies + b"\xff\xd9")


@of(PICTURES)
def pictures_of_no_pixels(folder):
    yield write(folder / "a.png", png(png_header(0, 0), PIXELS, END))
    yield write(folder / "b.png", png(png_header(8, 0), PIXELS, END))
    yield write(folder / "c.png", png(png_header(8, 8), END))
    yield write(folder / "d.png", png(END))
    yield write(folder / "e.ppm", b"P6 0 0 255\n")
    yield write(folder / "f.bmp", encoded("BMP")[:18] + bytes(36))


@of(PICTURES)
def pictures_cut_short(folder):
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"):
        data = encoded(kind)
        for share in (0.005, 0.05, 0.3, 0.7):
            path = folder / f"{share}.{kind.lower()}"
            yield write(path, data[: max(1, int(share * len(data)))])


@of(PICTURES)
def pictures_with_rubbish_inside(folder):
    header = png_header(8, 8)
    yield write(folder / "stream.png", png(header, (b"IDAT", b"no zlib" * 50), END))
    yield write(folder / "depth.png", png(png_header(8, 8, 77, 9), PIXELS, END))
    damaged = bytearray(png(header, PIXELS, END))
    damaged[30] ^= 255
    yield write(folder / "sum.png", damaged)
    yield write(folder / "length.png", png(header)[:-4] + b"\xff\xff\xff\xffIDAT")
    yield write(folder / "a.jpg", b"\xff\xd8\xff\xe1\xff\xffExif\0\0" + bytes(500))
    yield write(folder / "b.webp", b"RIFF\xff\xff\xff\xffWEBPVP8 " + bytes(50))
    yield write(folder / "c.gif", b"GIF89a" + b"\xff" * 60)
    yield write(folder / "d.bmp", b"BM" + b"\xff" * 60)


@of(PICTURES)
def directories_of_tiff_that_lie(folder):
    sides = ((256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (262, 3, 1, 1))
    yield write(folder / "itself.tif", tiff())
    yield write(folder / "nowhere.tif", b"II*\0" + struct.pack("<I", 2**32 - 1))
    yield write(folder / "many.tif", tiff(*sides, (273, 4, 2**30, 8), (279, 4, 2**30, 8)))
    yield write(folder / "negative.tif", tiff(*sides, (273, 9, 1, 2**32 - 5), (279, 4, 1, 64)))
    yield write(folder / "end.tif", tiff(*sides, (273, 4, 1, 10**9), (279, 4, 1, 64)))
    yield write(folder / "method.tif", tiff(*sides, (259, 3, 1, 999), (273, 4, 1, 8)))


@of(PICTURES)
def text_chunks_without_end(folder):
    zeros = zlib.compress(bytes(300_000_000))
    header = png_header(8, 8)
    yield write(folder / "a.png", png(header, (b"zTXt", b"k\0\0" + zeros), PIXELS, END))
    yield write(folder / "b.png", png(header, (b"iTXt", b"k\0\1\0\0\0" + zeros), PIXELS, END))
    part = (b"zTXt", b"k\0\0" + zlib.compress(bytes(PngImagePlugin.MAX_TEXT_CHUNK - 9)))
    yield write(folder / "c.png", png(header, *[part] * 80, PIXELS, END))


@of(PICTURES)
def what_is_no_picture(folder):
    contents = {
        "page.png": "<!DOCTYPE html><html><script>alert(1)</script></html>",
        "drawing.svg": "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "drawing.png": "<?xml version='1.0'?><!DOCTYPE s [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>",
        "script.eps": "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) (w) file\n%%EOF\n",
        "script.jpg": "%!PS\n(/etc/passwd) (r) file\n",
        "paper.png": "%PDF-1.7\n1 0 obj <</S /JavaScript /JS (app.alert(1))>> endobj\n",
        "program.jpg": "#!/bin/sh\ntouch proof\n",
        "text.png": "milk, eggs",
        "empty.png": "",
        "magick.png": "push graphic-context\nfill 'url(https://example.org/x.png)'\n",
    }
    for name, content in contents.items():
        yield write(folder / name, content)
    yield write(folder / "pickle.png", pickle.dumps(Program(folder / "it ran")))
    yield write(folder / "noise.jpg", np.random.default_rng(0).bytes(5000))
    with zipfile.ZipFile(folder / "archive.png", "w") as archive:
        archive.writestr("a.png", encoded("PNG"))
    yield folder / "archive.png"
    for kind in ("ICO", "PCX", "SGI", "TGA", "PDF"):  # decoders that photos do not need
        yield write(folder / f"{kind}.png", encoded(kind))


@of(PICTURES)
def places_that_are_no_pictures(folder):
    (folder / "folder.png").mkdir()
    yield folder / "folder.png"
    yield folder / "missing.png"
    yield folder / "folder.png" / "inside.png"
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.png")
        (folder / "zero.png").symlink_to("/dev/zero")
        (folder / "circle.png").symlink_to(folder / "circle.png")
        yield from (folder / name for name in ("pipe.png", "zero.png", "circle.png"))
        yield Path("/dev/zero")


@of(PICTURES)
def names_of_pictures_that_are_no_names(folder):
    yield from (
        "two\nlines.png",
        "\x1b[31mred.png",
        "right\u202eto left.png",
        "\udcff\udc80.png",
        "null\0byte.png",
        "x" * 5000,
        "",
        "https://example.org/cat.png",
        "data:image/png;base64,iVBORw0KGgo=",
        "file:///etc/passwd",
    )


# -- labels ----------------------------------------------------------------------------------------


@of(LABELS)
def labels_that_are_no_text(folder):
    for ending in ("txt", "json"):
        yield write(folder / f"noise.{ending}", np.random.default_rng(0).bytes(999))
        yield write(folder / f"utf16.{ending}", '["ä", "b", "c"]\n'.encode("utf-16"))
        yield write(folder / f"nul.{ending}", bytes(100))
        yield write(folder / f"pickle.{ending}", pickle.dumps(Program(folder / "it ran")))


@of(LABELS)
def labels_in_wrong_number(folder):
    yield write(folder / "few.txt", "ant\nbee\n")
    yield write(folder / "many.txt", "ant\nbee\ncat\ndog\n")
    yield write(folder / "empty.txt", "")
    yield write(folder / "blank.txt", "\n \n\t\n")
    yield write(folder / "few.json", '["ant", "bee"]')
    yield write(folder / "none.json", "{}")


@of(LABELS)
def labels_without_end(folder):
    yield write(folder / "lines.txt", "class\n" * 10_000_000)
    yield write(folder / "short.txt", "ab\n" * 3_000_000)
    yield write(folder / "one.txt", "x" * 9_000_000)
    numbers = {str(number): "x" for number in range(300_000)}
    yield write(folder / "object.json", json.dumps(numbers | {"stray": "x"}))
    yield write(folder / "long.json", json.dumps(["a", ["x" * 5_000_000] * 1, "c"]))
    yield write(folder / "deep.json", "[" * 5_000_000)


@of(LABELS)
def labels_of_other_types(folder):
    texts = (
        "", "{", "null", "3", '"cat"', "NaN", "[1, 2, 3]", '["a", null, "c"]', '["a", ["b"], "c"]',
        '["a", {"b": 1}, "c"]', '{"0": "a", "1": "b", "3": "c"}', '{"0": "a", "0": "b", "2": "c"}',
        '{"-1": "a", "0": "b", "1": "c"}', '["a", "", "c"]', '[["n1", "a"], ["n2"], ["n3", "c"]]',
        "[" * 100_000,
    )  # fmt: skip
    for number, text in enumerate(texts):
        yield write(folder / f"{number}.json", text)


@of(LABELS)
def places_that_are_no_labels(folder):
    (folder / "folder.txt").mkdir()
    yield from (folder / "folder.txt", folder / "missing.txt", Path("x" * 5000), Path("a\nb.txt"))
    yield from (Path("null\0byte.txt"), Path("https://example.org/labels.txt"))
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.txt")
        (folder / "zero.txt").symlink_to("/dev/zero")
        yield from (folder / "pipe.txt", folder / "zero.txt")


# -- saved results ---------------------------------------------------------------------------------


TEXTS = {
    "format": "optogram result 1",
    "kind": "Attribution",
    "method": "gradcam",
    "parameters": {},
    "provenance": {"network": "tiny"},
    "warnings": [],
    "targets": ["cat (0)", "dog (1)"],
    "layer": "conv",
}
ARRAYS = {
    "values": np.zeros((2, 4, 4), np.float32),
    "images": np.zeros((2, 8, 8, 3), np.uint8),
    "score": np.zeros(2, np.float32),
}


def result_file(path, arrays=None, manifest=None, **texts):
    """A result as `Result.save` writes it, but for what is given."""
    if manifest is None:
        manifest = np.array(json.dumps(TEXTS | texts))
    np.savez(path, manifest=manifest, **(ARRAYS if arrays is None else arrays))
    return path


@of(RESULTS)
def pickles_in_results(folder):
    program = np.array([Program(folder / "it ran")], object)
    yield result_file(folder / "values.npz", ARRAYS | {"values": program})
    yield result_file(folder / "manifest.npz", manifest=program)
    yield result_file(folder / "extra.npz", ARRAYS | {"extra": program})
    yield write(folder / "bare.npz", pickle.dumps(Program(folder / "it ran")))
    np.save(folder / "array.npy", program)
    yield (folder / "array.npy").rename(folder / "array.npz")


@of(RESULTS)
def manifests_that_are_none(folder):
    texts = ("", "{", "[]", "null", "3", "NaN", '"text"', "{}", "[" * 100_000, '{"a":' * 50_000)
    for number, text in enumerate(texts):
        yield result_file(folder / f"{number}.npz", manifest=np.array(text))
    yield result_file(folder / "number.npz", manifest=np.arange(9))
    yield result_file(folder / "bytes.npz", manifest=np.bytes_(b"\xff\xfe"))


@of(RESULTS)
def results_of_unknown_kinds(folder):
    for number, kind in enumerate(
        ("os.system", "Result2", None, 3, ["Attribution"], {}, "__class__")
    ):
        yield result_file(folder / f"{number}.npz", kind=kind)
    for number, form in enumerate((None, 1, "optogram result 2", [])):
        yield result_file(folder / f"format{number}.npz", format=form)


@of(RESULTS)
def fields_of_other_types(folder):
    changes = (
        {"warnings": 3}, {"warnings": "text"}, {"warnings": [1]}, {"method": None}, {"method": {}},
        {"parameters": []}, {"parameters": None}, {"provenance": "x"},
        {"provenance": {"network": 3}},
        {"targets": "ab"}, {"targets": [["a"], "b"]}, {"targets": None}, {"layer": 3}, {"other": 1},
        {"score": 1}, {"values": [1]},
    )  # fmt: skip
    for number, change in enumerate(changes):
        arrays = {name: array for name, array in ARRAYS.items() if name not in change}
        yield result_file(folder / f"{number}.npz", arrays, **change)
    for number, values in enumerate(
        (np.array(["a"] * 2), np.zeros(2, "V8"), np.zeros((2, 4, 4), complex), np.zeros(2, "M8[s]"))
    ):
        yield result_file(folder / f"array{number}.npz", ARRAYS | {"values": values})


@of(RESULTS)
def fields_that_do_not_fit(folder):
    changes = (
        {"values": np.zeros((3, 4, 4))}, {"values": np.zeros(2)}, {"values": np.float32(1)},
        {"values": np.zeros((2, 0, 4))}, {"images": np.zeros((1, 8, 8, 3), np.uint8)},
        {"images": np.zeros((2, 8), np.uint8)}, {"score": np.zeros((2, 2))}, {"score": np.zeros(0)},
        {"values": np.zeros((2, 8, 8, 5))},
    )  # fmt: skip
    for number, change in enumerate(changes):
        yield result_file(folder / f"{number}.npz", ARRAYS | change)
    yield result_file(folder / "targets.npz", targets=["cat"])
    for missing in ARRAYS:
        some = {name: array for name, array in ARRAYS.items() if name != missing}
        yield result_file(folder / f"no {missing}.npz", some)
    yield result_file(
        folder / "occlusion.npz", ARRAYS | {"scores": np.zeros((1, 4))}, kind="Occlusion"
    )
    yield result_file(folder / "kernels.npz", {"values": np.zeros(3)}, kind="Kernels")


def with_member(path, name, content):
    result_file(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path


def npy(shape, dtype="<f4", data=b""):
    """An .npy file that promises a shape."""
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


@of(RESULTS)
def arrays_that_promise_too_much(folder):
    shapes = ((10**12,), (10**6, 10**6), (2**62, 4), (-1,), (10**10, 0))
    for number, shape in enumerate(shapes):
        yield with_member(folder / f"{number}.npz", "gradients.npy", npy(shape))
    yield with_member(folder / "text.npz", "extra.npy", npy((1,), "<U2000000000"))
    yield with_member(folder / "header.npz", "extra.npy", npy("(" * 5000 + ")" * 5000))
    yield with_member(folder / "code.npz", "extra.npy", npy("__import__('os').system('true')"))


@functools.cache
def gigabytes():
    """Results that unpack to gigabytes, packed once for all that read them."""
    zeros = bytes(400_000_000)
    members = {
        "array.npz": ("values2.npy", npy((10**8,), data=zeros)),
        "other.npz": ("other", zeros),
    }
    return {name: with_member(io.BytesIO(), *member).getvalue() for name, member in members.items()}


@of(RESULTS)
def results_that_unpack_to_gigabytes(folder):
    for name, data in gigabytes().items():
        yield write(folder / name, data)


@of(RESULTS)
def results_with_strange_members(folder):
    for number, name in enumerate(("../../evil.npy", "/tmp/evil.npy", "..\\evil", "self.npy")):
        yield with_member(folder / f"{number}.npz", name, npy((1,), data=bytes(4)))
    yield with_member(folder / "text.npz", "notes", b"no array")
    yield with_member(folder / "class.npz", "__class__.npy", npy((1,), data=bytes(4)))


@of(RESULTS)
def results_cut_short_or_of_something_else(folder):
    data = result_file(folder / "whole.npz").read_bytes()
    for share in (0.01, 0.3, 0.7, 0.99):
        yield write(folder / f"{share}.npz", data[: int(share * len(data))])
    yield write(folder / "empty.npz", b"")
    yield write(folder / "text.npz", "hello")
    yield write(folder / "zip.npz", b"PK\x05\x06" + bytes(18))
    np.savez(folder / "weights.npz", weights=np.ones(3))
    yield folder / "weights.npz"


@of(RESULTS)
def places_that_are_no_results(folder):
    (folder / "folder.npz").mkdir()
    yield from (folder / "folder.npz", folder / "missing.npz", Path("x" * 5000), Path("a\nb.npz"))
    yield from (Path("null\0byte.npz"), Path("https://example.org/result.npz"))
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.npz")
        (folder / "zero.npz").symlink_to("/dev/zero")
        yield from (folder / "pipe.npz", folder / "zero.npz")


# -- weights for a network by name -----------------------------------------------------------------


def weights_files(folder):
    """What ``weights=`` is given, and must not be opened."""
    with h5py.File(folder / "other.h5", "w") as file:
        file["vars"] = np.ones(3)
    with h5py.File(folder / "link.weights.h5", "w") as file:
        file["layers"] = h5py.ExternalLink(str(folder / "other.h5"), "/")
    with h5py.File(folder / "bomb.weights.h5", "w") as file:
        file.create_dataset("layers/a/vars/0", (10**9,), "f4", chunks=(10**6,), compression="gzip")
    yield from (folder / "link.weights.h5", folder / "bomb.weights.h5")
    yield write(folder / "pickle.weights.h5", pickle.dumps(Program(folder / "it ran")))
    yield write(folder / "pickle.pth", pickle.dumps(Program(folder / "it ran")))
    yield write(folder / "shards.weights.json", '{"weight_map": {"/a": ["../../evil.h5"]}}')
    yield write(folder / "noise.weights.h5", np.random.default_rng(0).bytes(5000))
    yield Path("https://example.org/a.weights.h5")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.weights.h5")
        yield folder / "pipe.weights.h5"
