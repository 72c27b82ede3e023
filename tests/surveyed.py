"""A survey of two photos, whose numbers are written here: no network is run."""

import numpy as np
from PIL import Image

import optogram as og
from optogram.jobs.store import Store
from optogram.pictures.photo_set import PhotoSet
from optogram.surveying import layout
from optogram.surveying.paths import patterns_of
from optogram.surveying.table import SurveyedLayer, UnitTable

UNITS = 70
FIRES = np.random.default_rng(0).permutation(UNITS) / UNITS
"""Of layer "a"; layer "b" has two units more."""
COLORS = {"blue": (20, 20, 200), "red": (200, 20, 20)}
PATTERN = (20, 200, 20)
PATTERNED = 1
"""Unit of "a" that has a pattern."""


def survey(folder):
    """The survey, with its photos, in ``folder``. Odd units serve "dog", even ones "cat"."""
    photos = folder / "photos"
    photos.mkdir()
    for name, color in COLORS.items():
        Image.new("RGB", (16, 16), color).save(photos / f"{name}.png")
    identity = {
        "model": "net",
        "size": [16, 16],
        "fit": "stretch",
        "resample": "lanczos",
        "top": 2,
        "backend": "none",
        "keras_version": "3",
    }
    store = Store.resumed(str(folder / "net.zarr"), "survey", identity)
    layers = (
        SurveyedLayer("a", 0, 0, UNITS, (4, 4), True),
        SurveyedLayer("b", 1, UNITS, 2, (1, 1), False),
    )
    layout.make_table(store, UnitTable(layers), ["Conv2D", "Dense"])
    layout.write_network(store, ["cat", "dog"], 3)
    layout.make_photos(store, PhotoSet.of(str(photos)), 1)
    count = UNITS + 2
    units = np.arange(count)
    first_blue = np.stack([units % 2 == 0, units % 2 == 1], axis=1).astype(np.int64)
    nearest = np.where(units < UNITS, (units + 1) % UNITS, units)[:, None]
    columns = {
        "fires": (("unit",), np.float32([*FIRES, 0, 1])),
        "strongest_activation": (("unit", "rank"), np.float32([[i + 1, 0.5] for i in units])),
        "strongest_photo": (("unit", "rank"), first_blue),
        "strongest_position": (("unit", "rank", "yx"), np.zeros((count, 2, 2), np.int32)),
        "strongest_window": (
            ("unit", "rank", "edge"),
            np.tile(np.float32([0, 0, 8, 8]), (count, 2, 1)),
        ),
        "served_class": (("unit", "served"), np.int32([[i % 2, 1 - i % 2] for i in units])),
        "served_contribution": (("unit", "served"), np.float32([[2, 1]] * count)),
        "nearest_unit": (("unit", "neighbor"), nearest),
        "nearest_correlation": (("unit", "neighbor"), np.ones((count, 1), np.float32)),
    }
    layout.write_units(store, columns)
    amounts = np.float32([[2 - i % 2 for i in units], [1 + i % 2 for i in units]])
    layout.write_classes(store, np.arange(2), amounts)
    layout.make_patterns(store, "a", UNITS, (1, 12, 12, 3))
    group = patterns_of("a")
    store.write(f"{group}/image", PATTERNED, np.broadcast_to(np.uint8(PATTERN), (1, 12, 12, 3)))
    store.write(f"{group}/done", PATTERNED, np.uint64(1))
    return og.load_survey(folder / "net.zarr")
