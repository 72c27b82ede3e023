"""Images from everywhere: files, bytes, tensors, and streams of them with or without labels."""

import io
import itertools
import tracemalloc

import keras
import numpy as np
import pytest
from PIL import Image

import networks
import optogram as og
from optogram.errors import InputError, PhotoError
from optogram.pictures.sources import is_stream, labeled

pytestmark = [pytest.mark.once, pytest.mark.each_backend]

COUNT, SIDE = 7, 16
PHOTOS = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 3), np.uint8)
LABELS = np.arange(COUNT) % 3


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("fused"), "tf")


@pytest.fixture(scope="module")
def expected(net):
    return net.predict(list(PHOTOS), top=2)


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(COUNT)]
    for path, photo in zip(paths, PHOTOS, strict=True):
        Image.fromarray(photo).save(path)
    return paths


def assert_same(found, expected):
    """Equal predictions, but for the rounding of batches of other lengths."""
    assert [[p[:3] for p in ranks] for ranks in found] == [
        [p[:3] for p in ranks] for ranks in expected
    ]
    np.testing.assert_allclose(
        [[p.probability for p in ranks] for ranks in found],
        [[p.probability for p in ranks] for ranks in expected],
        atol=1e-6,
    )


class Loader(keras.utils.PyDataset):
    """Batches of two images with labels, as training takes them."""

    def __len__(self):
        return -(-COUNT // 2)

    def __getitem__(self, index):
        part = slice(2 * index, 2 * index + 2)
        return PHOTOS[part].astype(np.float32), LABELS[part]


# -- one image -------------------------------------------------------------------------------------


def test_files_bytes_and_open_files(net, files, expected):
    content = files[3].read_bytes()
    with files[3].open("rb") as file:
        file.read()  # read from the beginning, wherever it stands, and as often as one likes
        for source in (files[3], str(files[3]), content, bytearray(content), io.BytesIO(content),
                       file, file):  # fmt: skip
            assert_same(net.predict(source, top=2), [expected[3]])
        assert net.prepare(file).photos[0].name == "3.png"
    assert_same(net.predict([content, files[0]], top=2), [expected[3], expected[0]])
    result = og.gradcam(net, content)
    assert result.overlay().size  # the decoded photo is not needed again


def test_tensors_of_the_backend(net, expected):
    for source in (PHOTOS[3], PHOTOS[3].astype(np.float32)):
        assert_same(net.predict(keras.ops.convert_to_tensor(source), top=2), [expected[3]])
    assert_same(net.predict(keras.ops.convert_to_tensor(PHOTOS), top=2), expected)
    prepared = keras.ops.convert_to_tensor(np.asarray(net.prepare(PHOTOS[3])))
    assert_same(net.predict(prepared, top=2), [expected[3]])
    half = keras.ops.cast(keras.ops.convert_to_tensor(PHOTOS[3]), "bfloat16")
    assert og.saliency(net, half, 0).values.shape == (1, SIDE, SIDE, 3)


def test_results_are_no_images(net):
    with pytest.raises(InputError):
        net.prepare(og.saliency(net, PHOTOS[0]))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"", "given as bytes holds no picture"),
        (b"cat.jpg", "given as bytes holds no picture"),
        (io.StringIO("text"), r'not open for bytes: open it with open\(path, "rb"\)'),
        (io.BytesIO(), "given as an open file holds no picture"),
        ({"image": PHOTOS[0]}, "An image is a path, the bytes of a picture file"),
        (3, "an array or tensor of shape .*, not an int"),
    ],
)
def test_bad_images(net, source, message):
    with pytest.raises(PhotoError, match=message):
        net.prepare(source)


def test_closed_files_and_too_large_ones(net, files, monkeypatch):
    with files[0].open("rb") as file:
        pass
    with pytest.raises(PhotoError, match=r"0.png' cannot be read .*closed file.*open it again"):
        net.prepare(file)
    monkeypatch.setattr("optogram.pictures.read._FILE_LIMIT", 100)
    with pytest.raises(PhotoError, match="larger than 0 MB"), files[0].open("rb") as file:
        net.prepare(file)


def test_limits_hold_for_bytes(net):
    progressive = io.BytesIO()
    Image.new("RGB", (3000, 3000)).save(progressive, "JPEG", progressive=True)
    content = progressive.getvalue()
    start = content.index(b"\xff\xda")
    many = content[:start] + b"\xff\xda\x00\x02" * 300 + content[start:]
    assert net.prepare(content).shape == (1, SIDE, SIDE, 3)
    for source in (many, io.BytesIO(many)):
        with pytest.raises(PhotoError, match=r"3000×3000 pixels in 31\d scans"):
            net.prepare(source)


# -- streams ---------------------------------------------------------------------------------------


def streams(files):
    yield "generator", (photo for photo in PHOTOS)
    yield "files", iter(files)
    yield "pairs", zip(PHOTOS, LABELS, strict=True)
    yield "batches", iter([PHOTOS[:4], PHOTOS[4:].astype(np.float32)])
    yield "batches and labels", iter([(PHOTOS[:4], LABELS[:4]), [PHOTOS[4:], LABELS[4:]]])
    yield "PyDataset", Loader()
    yield "map", map(io.BytesIO, [path.read_bytes() for path in files])
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        dataset = tf.data.Dataset.from_tensor_slices((PHOTOS.astype(np.float32), LABELS))
        yield "tf.data", dataset
        yield "tf.data, batched", dataset.batch(3)
        yield "tf.data without labels", dataset.map(lambda image, label: image).batch(3)
    if keras.backend.backend() == "torch":
        from torch.utils.data import DataLoader

        pairs = list(zip(PHOTOS, LABELS, strict=True))
        yield "DataLoader", DataLoader(pairs, batch_size=3)


def test_a_stream_is_predicted_as_it_is_read(net, files, expected):
    for name, stream in streams(files):
        found = net.predict(stream, top=2)
        assert iter(found) is found, name
        assert_same(list(found), expected)


def test_labels_come_with_the_images(files):
    for name, stream in streams(files):
        pairs = list(labeled(stream))
        assert len(pairs) == COUNT, name
        has_labels = pairs[0][1] is not None
        assert has_labels == (name not in
            ("generator", "files", "batches", "map", "tf.data without labels")), name  # fmt: skip
        if has_labels:
            assert [int(label) for _, label in pairs] == list(LABELS), name


def test_prepared_batches_in_a_stream_are_taken_as_they_are(net, expected):
    stream = iter([net.prepare(list(PHOTOS[:3])), PHOTOS[3], net.prepare(list(PHOTOS[4:]))])
    assert_same(list(net.predict(stream, top=2)), expected)


def test_an_endless_stream_is_read_a_few_at_a_time(net, expected):
    read = itertools.count()
    endless = (PHOTOS[next(read) % COUNT] for _ in itertools.repeat(None))
    found = net.predict(endless, top=2)
    assert next(read) == 0  # nothing is read before it is asked for
    assert_same([next(found)], [expected[1]])
    assert next(read) < 100


def test_memory_does_not_grow_with_the_stream(net):
    def peak(count):
        stream = (np.zeros((200, 200, 3), np.uint8) for _ in range(count))
        tracemalloc.start()
        assert sum(1 for _ in net.predict(stream)) == count
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(40)
    assert peak(300) < 1.2 * peak(100)  # all photos together are 36 MB


def test_methods_refuse_streams_and_say_how_to_take_a_part(net):
    endless = (PHOTOS[0] for _ in itertools.repeat(None))
    for method in (og.gradcam, og.occlusion, og.feature_maps, og.integrated_gradients):
        with pytest.raises(InputError, match=r"got a stream \(generator\).*list\(og.pixels\(image"):
            method(net, endless)
    for ask in (net.prepare, net.scores):
        with pytest.raises(InputError, match=r"stream \(Loader\)"):
            ask(Loader())
    part = list(og.pixels(Loader(), 3))
    np.testing.assert_array_equal(np.stack(part), PHOTOS[:3])
    assert og.gradcam(net, part).values.shape[0] == 3


def test_what_is_no_stream():
    for one in ("a.png", b"x", io.BytesIO(), [PHOTOS[0]], PHOTOS, Image.fromarray(PHOTOS[0]), {}):
        assert not is_stream(one)


def test_the_strongest_of_a_stream_are_those_of_the_list(net, files):
    expected = og.strongest_images(net, "conv1", list(PHOTOS), top=2)
    for name, stream in streams(files):
        if name != "files":  # they are called by their paths
            found = og.strongest_images(net, "conv1", stream, top=2)
            np.testing.assert_array_equal(found.values, expected.values, err_msg=name)
            np.testing.assert_array_equal(found.indices, expected.indices, err_msg=name)
            assert found.photos == expected.photos
            assert found.crop(1, 1).tobytes() == expected.crop(1, 1).tobytes()


def test_of_a_stream_only_the_strongest_photos_are_kept_and_small(net):
    big = (np.kron(PHOTOS[i % COUNT], np.ones((9, 9, 1), np.uint8)) for i in range(90))
    result = og.strongest_images(net, "conv1", big, top=1, filters=[0, 1])
    assert len(result.photos) == 90
    assert set(result.opened) == set(result.indices.ravel())
    assert {photo.shape for photo in result.opened.values()} == {(SIDE, SIDE, 3)}
    assert result.plot().size


def test_a_report_of_a_stream(net, tmp_path):
    page = og.report(net, zip(PHOTOS[:1], LABELS, strict=False), tmp_path / "report")
    assert page.read_text().count("photo-1") > 0


def test_errors_in_streams(net):
    with pytest.raises(InputError, match=r"number 5, from 0, .*floats between 0 and 1.*white=1"):
        list(net.predict(iter([*PHOTOS[:5], PHOTOS[5] / 255])))
    with pytest.raises(InputError, match="batch of 3 images in the stream comes with labels 1"):
        list(net.predict(iter([(PHOTOS[:3], 1)])))
    with pytest.raises(InputError, match="An element of the stream is empty"):
        list(net.predict(iter([()])))
    with pytest.raises(InputError, match="a stream cannot be read again"):
        og.strongest_images(net, "conv1", iter(PHOTOS), checkpoint="a.npz")
    with pytest.raises(InputError, match="got an empty stream"):
        og.strongest_images(net, "conv1", iter(()))
    with pytest.raises(InputError, match="top must be"):
        net.predict(iter(PHOTOS), top=0)  # before anything is read


# -- arrays in other units -------------------------------------------------------------------------


def test_pixels_undoes_what_a_loader_does(net, expected):
    unit = PHOTOS.astype(np.float32) / 255
    mean, deviation = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))
    first = unit.transpose(0, 3, 1, 2)
    normal = ((unit - mean) / deviation).transpose(0, 3, 1, 2).astype(np.float32)
    limits = {"black": -mean / deviation, "white": (1 - mean) / deviation}
    for images, options in (
        (unit, {"white": 1}),
        (unit * 2 - 1, {"black": -1, "white": 1}),
        (first, {"white": 1, "channels_first": True}),
        (iter([(first[:4], LABELS[:4]), (first[4:], LABELS[4:])]),
         {"white": 1, "channels_first": True}),
        (keras.ops.convert_to_tensor(normal), {**limits, "channels_first": True}),
    ):  # fmt: skip
        found = list(og.pixels(images, **options))
        np.testing.assert_allclose(np.stack(found), PHOTOS, atol=1e-3)
        assert [[p.index for p in ranks] for ranks in net.predict(found, top=2)] == [
            [p.index for p in ranks] for ranks in expected
        ]
    pairs = list(og.pixels(zip(unit, LABELS, strict=True), 2, labels=True, white=1))
    assert [label for _, label in pairs] == [0, 1]


def test_floats_and_channels_are_never_guessed(net):
    with pytest.raises(
        PhotoError, match=r"channels first: give .*og.pixels\(images, channels_first"
    ):
        list(net.predict(iter([PHOTOS[0].transpose(2, 0, 1)])))
    with pytest.raises(PhotoError, match=r"multiply by 255, or give og.pixels\(images, white=1\)"):
        net.predict(PHOTOS[0] / 255)
    for options in ({"black": 1, "white": 1}, {"white": [1, 2]}, {"white": [[1]]}):
        with pytest.raises(InputError, match="black and white must be"):
            list(og.pixels(PHOTOS, **options))
    with pytest.raises(InputError, match=r"are for arrays and tensors, got 'a\.png'"):
        list(og.pixels("a.png", white=1))
