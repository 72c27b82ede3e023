"""All attribution methods compared on EfficientNet-Lite0, over 40 photographs.

``python benchmarks/evaluation.py photos --out evaluation``

On a first run, ``photos`` is made: photographs of animals and things in Debian's package
``gcompris-qt-data`` (its resource files, as ``apt-get download`` and ``dpkg-deb -x`` leave them in
``--gcompris``), and those of scikit-image and scikit-learn. A run that was stopped continues. Table
and picture are written to ``--out``; docs/methods/evaluate.md shows them.

Methods take their defaults, but for those below: with them a photo takes about two minutes on two
cores, in place of half an hour.
"""

import argparse
import io
import re
from pathlib import Path

import skimage
import sklearn
from PIL import Image

import optogram as og
from optogram.methods import ATTRIBUTIONS

GCOMPRIS = {
    "categorization": (24, 29, 35, 38, 65, 69, 80, 112, 117),
    "erase": (5, 6, 11, 12, 13, 14, 15, 21),
    "explore_farm_animals": (1, 3, 6, 8),
    "explore_monuments": (8,),
    "explore_world_animals": (1, 5, 6, 7, 8, 9, 10, 11, 13, 14, 16),
}
"""Numbers of the photographs in each resource file, counted from 1."""
SHORTER_SIDE = 200
SCIKIT_IMAGE = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
SCIKIT_LEARN = ("china.jpg", "flower.jpg")

FEWER = {
    "scorecam": {"layer": "block5c_add"},  # 112 maps; the last layer has 1280
    "expected_gradients": {"samples": 32},
    "guided_integrated_gradients": {"points": 50},
    "xrai": {"points": 16},
    "rise": {"masks": 512},
    "sobol": {"grid": 6, "masks": 380},
    "kernel_shap": {"segments": 40, "masks": 320},
    "lime": {"segments": 40, "masks": 320},
}
MEASURES = ("deletion", "insertion", "mu_fidelity", "infidelity", "sparseness")


def gather(folder: Path, gcompris: Path) -> None:
    """Put the photographs into ``folder``."""
    folder.mkdir(parents=True)
    for name, numbers in GCOMPRIS.items():
        found = pictures_in(next(gcompris.rglob(f"{name}.rcc")).read_bytes())
        for number in numbers:
            found[number - 1].save(folder / f"{name}_{number:02d}.png")
    skimage_data = Path(skimage.__file__).parent / "data"
    sklearn_images = Path(sklearn.__file__).parent / "datasets" / "images"
    for place, names in ((skimage_data, SCIKIT_IMAGE), (sklearn_images, SCIKIT_LEARN)):
        for name in names:
            (folder / name).write_bytes((place / name).read_bytes())


def pictures_in(resources: bytes) -> list[Image.Image]:
    """The RGB pictures in a Qt resource file, the WebP files first, then the JPEG files."""
    starts = [match.start() for match in re.finditer(rb"RIFF....WEBP", resources, re.DOTALL)]
    starts += [match.start() for match in re.finditer(rb"\xff\xd8\xff", resources)]
    found = []
    for start in starts:
        try:
            picture = Image.open(io.BytesIO(resources[start:]))
            picture.load()
        except OSError:  # these bytes occur elsewhere, too
            continue
        if picture.mode == "RGB" and min(picture.size) >= SHORTER_SIDE:
            found.append(picture)
    return found


def main() -> None:
    """Gather the photographs where there are none, and evaluate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--gcompris", type=Path, default=Path("/usr/share/gcompris-qt"))
    parser.add_argument("--out", type=Path, default=Path("evaluation"))
    parser.add_argument("--measures", nargs="+", default=list(MEASURES))
    arguments = parser.parse_args()
    if not arguments.photos.exists():
        gather(arguments.photos, arguments.gcompris)
    arguments.out.mkdir(parents=True, exist_ok=True)
    result = og.evaluate(
        og.load("efficientnet-lite0"),
        arguments.photos,
        {name: FEWER.get(name, {}) for name in ATTRIBUTIONS},
        measures=arguments.measures,
        steps=12,
        samples=64,
        out=arguments.out / "evaluation.zarr",
        progress=lambda done, total, what: print(f"{done}/{total} {what}", flush=True),
    )
    print(result.table())
    print(result.sentence)
    result.save(arguments.out / "evaluation.npz")
    result.plot().save(arguments.out / "evaluation.png")


if __name__ == "__main__":
    main()
