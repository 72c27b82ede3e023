"""What a climb is made of: pictures out of frequencies, other views of a picture."""

import keras
import numpy as np
import pytest

import literal
from optogram import backend
from optogram.methods.ascent.parametrization import Fourier, Phase, Pixels
from optogram.methods.ascent.recoloring import ColorJitter, Noise, recolored, recolorings
from optogram.methods.ascent.transforms import Crop, Jitter, Pad, Rotate, Scale, view, views
from optogram.pictures.preparation import preparation

CURRENT = backend.current()


def shown(parametrization, numbers):
    """The pictures (N, H, W, C) in network units, as an array."""
    picture = CURRENT.compile(parametrization.picture, [])
    return CURRENT.to_array(picture(CURRENT.to_tensor(numbers)))


def photo_of(size, channels, seed=0):
    """Levels of a screen, all that there are, with edges: nothing that a spectrum finds easy."""
    photo = np.random.default_rng(seed).integers(0, 256, (*size, channels)).astype("float32")
    photo[: size[0] // 2] = 255 * (photo[: size[0] // 2] > 100)
    return photo


# -- parametrizations ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "channels", "name"),
    [((15, 22), 3, "caffe"), ((16, 12), 3, "tf"), ((9, 11), 1, "unit")],
)
def test_a_picture_is_made_of_frequencies_by_lucids_formula(size, channels, name):
    fourier = Fourier((*size, channels), preparation(name, channels))
    shape = (2, 2, channels, size[0], size[1] // 2 + 1)
    numbers = np.random.default_rng(0).standard_normal(shape, np.float32)
    found = shown(fourier, numbers)
    painter = literal.FourierPicture(size, channels)
    for picture, given in zip(found, numbers, strict=True):
        expected = preparation(name, channels).to_network(255 * painter.picture(given))
        # Float32 sums of some hundred frequencies.
        np.testing.assert_allclose(picture, expected, rtol=0, atol=1e-5 * np.ptp(expected))
        assert np.ptp(painter.picture(given)) > 0.5  # neither gray nor all black and white


@pytest.mark.parametrize(
    ("size", "channels", "name"),
    [((15, 22), 3, "caffe"), ((16, 12), 3, "tf"), ((9, 11), 1, "unit")],
)
def test_a_photo_goes_through_frequencies_and_back(size, channels, name):
    prepared = preparation(name, channels)
    fourier = Fourier((*size, channels), prepared)
    photo = photo_of(size, channels)
    begun = fourier.begin(prepared.to_network(photo), np.random.default_rng(0))
    noise = fourier.begin(None, np.random.default_rng(0))
    # Black and white are kept 1/512 away from the ends, half a level; the rest is rounding.
    back = prepared.to_display(shown(fourier, begun - noise))[0]
    np.testing.assert_allclose(back, photo, atol=2)
    assert np.abs(prepared.to_display(shown(fourier, begun))[0] - photo).max() > 0.5


def test_without_a_photo_frequencies_start_near_gray():
    fourier = Fourier((15, 22, 3), preparation("none", 3))
    start = shown(fourier, fourier.begin(None, np.random.default_rng(0)))
    assert abs(start.mean() - 127.5) < 3 and 0.1 < start.std() < 15


def test_phases_keep_the_strength_of_every_frequency():
    size = (15, 22)
    phase = Phase((*size, 3), preparation("unit", 3))
    angles = phase.begin(None, np.random.default_rng(0))
    assert angles.shape == (1, 3, 15, 12) and angles.min() < -3 and angles.max() > 3
    painter = literal.FourierPicture(size, 3)
    planes = np.fft.irfft2(np.exp(1j * angles[0]) * painter.scale, size)
    planes -= planes.mean(axis=(1, 2), keepdims=True)
    planes /= planes.std(axis=(1, 2), keepdims=True) + 1e-5
    np.testing.assert_allclose(shown(phase, angles)[0], painter.shown(planes), atol=1e-4)


def test_phases_of_a_photo_are_its_own():
    size = (15, 22)
    prepared = preparation("unit", 1)
    phase = Phase((*size, 1), prepared)
    y, x = np.mgrid[: size[0], : size[1]]
    photo = np.where((np.abs(y - 4) < 3) & (np.abs(x - 6) < 3), 230.0, 40.0)[..., None]
    found = shown(phase, phase.begin(prepared.to_network(photo), np.random.default_rng(0)))[0]
    inside = found[2:7, 4:9].mean()
    # What is bright in the photo stays where it is, and only there.
    assert inside > found.mean() + 1.5 * found.std()


def test_pixels_are_the_picture_and_start_from_uniform_noise():
    pixels = Pixels((40, 50, 3), 10.0, 4.0)
    start = pixels.begin(None, np.random.default_rng(0))
    assert start.shape == (1, 40, 50, 3) and start.dtype == np.float32
    assert 8 <= start.min() < 8.1 and 11.9 < start.max() <= 12
    assert start.mean() == pytest.approx(10, abs=0.1)
    photo = np.random.default_rng(1).random((40, 50, 3))
    around = pixels.begin(photo, np.random.default_rng(0))
    np.testing.assert_allclose(around - photo, start - 10, atol=1e-5)
    assert pixels.picture(start) is start


# -- views -----------------------------------------------------------------------------------------

HEIGHT, WIDTH = 14, 17
FILL = np.array([0.5, -1.0, 2.0], np.float32)


def seen(pictures, matrix, size, fill=FILL):
    """What `view` makes of arrays, as an array."""

    def function(pictures, matrix):
        return view(pictures, matrix, size, fill)

    compiled = CURRENT.compile(function, [])
    tensors = (CURRENT.to_tensor(np.asarray(a, "float32")) for a in (pictures, matrix))
    return CURRENT.to_array(compiled(*tensors))


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).random((2, HEIGHT, WIDTH, 3)).astype("float32")


def ramp(y, x):
    return np.stack([2 * y - x, y + 3 * x, x - 5.0], axis=-1)


@pytest.mark.parametrize("size", [(14, 17), (9, 12)])
def test_a_view_is_sampled_bilinearly_and_filled_outside(size, pictures):
    matrix = np.array([[0.8, -0.5, 2.3], [0.6, 1.1, -3.7]])  # no rotation: turned and sheared
    found = seen(pictures, matrix, size)
    for picture, got in zip(pictures, found, strict=True):
        expected = literal.view(picture, matrix, size, FILL)
        # Places in float32: an error of 1e-6 of a pixel, between pixels up to 3 apart.
        np.testing.assert_allclose(got, expected, atol=1e-4)
        assert (np.abs(expected - FILL).max(axis=-1) < 1e-6).any()  # some of it is outside


def test_jitter_is_a_window_of_whole_pixels(pictures):
    size, matrices = views([Jitter(3)], (HEIGHT, WIDTH), None, 200, 0)
    assert size == (HEIGHT - 3, WIDTH - 3)
    shifts = matrices[:, :, 2] + 1.5
    assert set(map(tuple, shifts)) == {(y, x) for y in range(4) for x in range(4)}
    found = seen(pictures, matrices[0], size)
    top, left = shifts[0].astype(int)
    expected = pictures[:, top : top + size[0], left : left + size[1]]
    np.testing.assert_array_equal(found, expected)


def test_padding_is_the_fill_all_around(pictures):
    size, matrices = views([Pad(2)], (HEIGHT, WIDTH), None, 1, 0)
    assert size == (HEIGHT + 4, WIDTH + 4)
    found = seen(pictures, matrices[0], size)
    expected = np.tile(FILL, (2, *size, 1))
    expected[:, 2:-2, 2:-2] = pictures
    np.testing.assert_array_equal(found, expected)


def test_twice_as_large_and_half_as_large_are_exact_on_a_ramp():
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    picture = ramp(y, x)[None]
    center = np.array([(HEIGHT - 1) / 2, (WIDTH - 1) / 2])
    size, matrices = views([Scale(2.0, 2.0)], (HEIGHT, WIDTH), None, 1, 0)
    found = seen(picture, matrices[0], size)[0]
    assert size == (HEIGHT, WIDTH)
    halved = ramp(center[0] + (y - center[0]) / 2, center[1] + (x - center[1]) / 2)
    np.testing.assert_allclose(found, halved, atol=1e-4)
    size, matrices = views([Scale(0.5, 0.5)], (HEIGHT, WIDTH), None, 1, 0)
    found = seen(picture, matrices[0], size)[0]
    np.testing.assert_allclose(found[0, 0], FILL, atol=1e-6)
    doubled = ramp(center[0] + (y - center[0]) * 2, center[1] + (x - center[1]) * 2)
    np.testing.assert_allclose(found[5:9, 6:11], doubled[5:9, 6:11], atol=1e-4)


def test_rotations_keep_distances_and_a_ramp_is_turned_with_them():
    size, matrices = views([Rotate(30)], (HEIGHT, WIDTH), None, 500, 0)
    turns = matrices[:, :, :2].astype(float)
    products = turns @ turns.transpose(0, 2, 1)
    np.testing.assert_allclose(products, np.tile(np.eye(2), (500, 1, 1)), atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(turns), 1, atol=1e-6)
    angles = np.degrees(np.arctan2(turns[:, 1, 0], turns[:, 0, 0]))
    assert -30 <= angles.min() < -25 and 25 < angles.max() <= 30
    np.testing.assert_array_equal(matrices[:, :, 2], 0)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    center = np.array([(HEIGHT - 1) / 2, (WIDTH - 1) / 2])
    found = seen(ramp(y, x)[None], matrices[0], size)[0]
    angle = np.radians(angles[0])
    down, right = y - center[0], x - center[1]
    turned = ramp(
        center[0] + np.cos(angle) * down - np.sin(angle) * right,
        center[1] + np.sin(angle) * down + np.cos(angle) * right,
    )
    inner = (slice(5, 9), slice(5, 12))
    np.testing.assert_allclose(found[inner], turned[inner], atol=1e-4)


def test_crops_lie_inside_the_picture_and_are_as_large_as_said():
    size, matrices = views([Crop(0.3, 0.9)], (HEIGHT, WIDTH), None, 500, 0)
    assert size == (HEIGHT, WIDTH)
    shares = matrices[:, 0, 0]
    np.testing.assert_array_equal(shares, matrices[:, 1, 1])
    assert 0.3 <= shares.min() < 0.33 and 0.87 < shares.max() <= 0.9
    half = np.array([HEIGHT, WIDTH]) / 2
    reach = np.abs(matrices[:, :, 2]) + shares[:, None] * half
    assert (reach <= half + 1e-5).all()  # float32
    assert (reach.max(axis=0) > half - 0.5).all()  # and they come near every side


def test_transforms_together_are_one_after_the_other(pictures):
    transforms = [Pad(3), Jitter(4), Rotate(0), Scale(1.0, 1.0), Jitter(3)]
    together, matrices = views(transforms, (HEIGHT, WIDTH), None, 1, 5)
    generator = np.random.default_rng(5)
    expected = pictures
    for transform in transforms:
        size = expected.shape[1:3]
        (matrix,) = transform.draw(generator, 1, size)
        expected = np.stack(
            [literal.view(p, matrix, transform.resized(size), FILL) for p in expected]
        )
    assert expected.shape[1:3] == together == (HEIGHT - 1, WIDTH - 1)
    np.testing.assert_allclose(seen(pictures, matrices[0], together), expected, atol=1e-6)


def test_turned_and_enlarged_is_turned_first():
    transforms = [Rotate(90), Scale(0.5, 2.0), Jitter(2)]
    _, (matrix,) = views(transforms, (HEIGHT, WIDTH), None, 1, 0)
    generator = np.random.default_rng(0)
    turn, scale, jitter = (t.draw(generator, 1, (HEIGHT, WIDTH))[0] for t in transforms)
    point = np.array([3.0, -2.0])
    for step in (jitter, scale, turn):  # from the last view back to the picture
        point = step[:, :2] @ point + step[:, 2]
    np.testing.assert_allclose(matrix @ [3, -2, 1], point, atol=1e-5)


def test_views_are_brought_to_the_size_that_the_network_takes():
    size, matrices = views([Pad(1)], (HEIGHT, WIDTH), (8, 38), 1, 0)
    assert size == (8, 38)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    found = seen(ramp(y, x)[None], matrices[0], size)[0]
    # Pixels are squares: of 16 × 19 padded rows and columns, two and a half to one.
    rows, columns = (np.arange(8) + 0.5) * 2 - 0.5 - 1, (np.arange(38) + 0.5) / 2 - 0.5 - 1
    expected = ramp(*np.meshgrid(rows, columns, indexing="ij"))
    np.testing.assert_allclose(found[1:-1, 4:-4], expected[1:-1, 4:-4], atol=1e-4)


def test_views_are_drawn_by_the_seed():
    transforms = [Jitter(8), Scale(0.9, 1.1)]
    once, again, other = (views(transforms, (32, 32), None, 9, seed)[1] for seed in (3, 3, 4))
    np.testing.assert_array_equal(once, again)
    assert not np.allclose(once, other)


def test_what_is_moved_gets_its_gradient_back(pictures):
    matrix = np.array([[0.8, -0.5, 2.3], [0.6, 1.1, -3.7]])
    weights = np.random.default_rng(1).random((9, 12, 3)).astype("float32")

    def function(pictures, matrix):
        made = view(pictures, matrix, (9, 12), FILL)
        return keras.ops.sum(keras.ops.multiply(made, weights), axis=(1, 2, 3))[None], ()

    compiled = CURRENT.compile(CURRENT.gradient(function), [])
    tensors = (CURRENT.to_tensor(a) for a in (pictures[:1], matrix.astype("float32")))
    found = CURRENT.to_array(compiled(*tensors)[0])[0, 0]
    # It is linear in the picture, so a slope is the answer to one pixel alone.
    for y, x in ((3, 4), (7, 8), (13, 0)):
        one = np.zeros((HEIGHT, WIDTH, 3))
        one[y, x] = 1
        expected = (literal.view(one, matrix, (9, 12), 0 * FILL) * weights).sum(axis=(0, 1))
        np.testing.assert_allclose(found[y, x], expected, atol=1e-4)


def test_pixels_of_transforms_are_fewer_for_smaller_pictures():
    assert [t.scaled(0.25) for t in (Pad(12), Jitter(8))] == [Pad(3), Jitter(2)]
    assert [t.scaled(0.25) for t in (Scale(0.9, 1.1), Rotate(10))] == [Scale(0.9, 1.1), Rotate(10)]


# -- colors of views -------------------------------------------------------------------------------


def test_a_view_is_recolored_pixel_by_pixel(pictures):
    black, white = (
        preparation("caffe", 3).to_network(np.full((1, 1, 3), level, np.float32))
        for level in (0, 255)
    )
    generator = np.random.default_rng(0)
    numbers = np.array([[0.5, 2, 1], [0.3, -0.1, 0], [0.2, 0, 0.4]], np.float32)
    field = generator.standard_normal((30, 40, 3), np.float32)
    compiled = CURRENT.compile(lambda *tensors: recolored(*tensors, black, white), [])
    given = black + (white - black) * pictures
    corner = np.array([7, 11], np.int32)
    tensors = map(CURRENT.to_tensor, (given, numbers, corner, field))
    found = (CURRENT.to_array(compiled(*tensors)) - black) / (white - black)
    for n, y, x, c in np.ndindex(found.shape):
        factor, shift, deviation = numbers[:, c]
        expected = (
            factor * (pictures[n, y, x, c] - 0.5) + shift + deviation * field[7 + y, 11 + x, c]
        )
        assert found[n, y, x, c] == pytest.approx(0.5 + expected, abs=1e-5)


def test_colors_are_jittered_within_what_is_asked():
    numbers, _, field = recolorings([ColorJitter(0.3, 4)], (10, 12), 3, 250, 2, 0)
    assert numbers.shape == (250, 2, 3, 3) and field.shape[2] == 3
    assert 0.25 <= numbers[:, :, 0].min() < 0.26 and 3.9 < numbers[:, :, 0].max() <= 4
    # As often doubled as halved.
    assert np.log(numbers[:, :, 0]).mean() == pytest.approx(0, abs=0.1)
    assert -0.3 <= numbers[:, :, 1].min() < -0.29 and 0.29 < numbers[:, :, 1].max() <= 0.3
    assert not numbers[:, :, 2].any()
    assert abs(np.corrcoef(numbers[:, :, 1].reshape(-1, 3).T)[0, 1]) < 0.2  # each channel by itself


def test_noise_goes_from_start_to_end_in_windows_of_one_field():
    numbers, corners, field = recolorings([Noise(0.5, 0.1)], (10, 12), 3, 5, 40, 0)
    np.testing.assert_allclose(
        numbers[:, :, 2, 1], np.tile([[0.5], [0.4], [0.3], [0.2], [0.1]], 40)
    )
    assert (numbers[:, :, 0] == 1).all() and not numbers[:, :, 1].any()
    assert (
        corners.min() >= 0 and (corners.max((0, 1)) <= np.array(field.shape[:2]) - (10, 12)).all()
    )
    assert len(set(map(tuple, corners.reshape(-1, 2)))) > 190
    assert field.mean() == pytest.approx(0, abs=0.01) and field.std() == pytest.approx(1, abs=0.01)
    again = recolorings([Noise(0.5, 0.1)], (10, 12), 3, 5, 40, 0)
    other = recolorings([Noise(0.5, 0.1)], (10, 12), 3, 5, 40, 1)
    assert all(map(np.array_equal, again, (numbers, corners, field)))
    assert not np.array_equal(other[1], corners) and not np.array_equal(other[2], field)


def test_colors_are_changed_one_after_the_other():
    transforms = [Noise(0.3, 0.3), ColorJitter(0.2, 2), Noise(0.1, 0.1), ColorJitter(0.5, 3)]
    numbers, _, _ = recolorings(transforms, (4, 4), 1, 1, 1, 0)
    generator = np.random.default_rng([0, 1])
    steps = [t.draw(generator, np.zeros(1), 1)[0, :, 0] for t in transforms]
    x, variance = 0.7, 0.0
    for factor, shift, deviation in steps:
        x, variance = factor * x + shift, factor**2 * variance + deviation**2
    factor, shift, deviation = numbers.ravel()
    assert factor * 0.7 + shift == pytest.approx(x, rel=1e-6)
    assert deviation == pytest.approx(np.sqrt(variance), rel=1e-6)


def test_views_stay_where_they_are_when_their_colors_change():
    moved, colored = [Jitter(8), Rotate(5)], [ColorJitter(1), Noise(1)]
    alone, both = (views(t, (32, 32), None, 9, 0)[1] for t in (moved, [*moved, *colored]))
    np.testing.assert_array_equal(alone, both)
    assert recolorings(moved, (32, 32), 3, 3, 3, 0) == []
