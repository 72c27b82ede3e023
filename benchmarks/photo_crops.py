"""Crops of real photographs at several scales, to run surveys of many photos on.

``python benchmarks/photo_crops.py build/crops --count 20000 --shards build/shards``

Photographs are those in Debian's ``gnome-backgrounds``, ``mate-backgrounds``,
``plasma-workspace-wallpapers``, ``lomiri-wallpapers-16.04`` and ``ukui-wallpapers``, as far as they
are installed, and those that scikit-image and scikit-learn ship. A wallpaper is taken

1. if it is a JPEG, PNG or WebP file, with a longer side of at least 1200 pixels;
2. once: of one picture at several sizes the largest, and not its dark version;
3. if it has texture: reduced to 1024 pixels, less than half of its blocks of 16×16 pixels are flat
   (standard deviation below 1 of 255), and 5 % of its pixels differ from their neighbors (Laplacian
   above 4);
4. if it is not drawn, painted or rendered. No measure tells that: `ART` lists what was seen.

What is left out is printed with the reason. There are some fifty pictures, so crops overlap: they
are many photos to measure time and memory with, but few to find statistics of the world. The side
of a crop is drawn log-uniformly from ``--side`` pixels to the shorter side of the picture, its
place uniformly; crops with a standard deviation below 4 are drawn again, up to 20 times. The number
of crops of a picture is proportional to the square root of its pixels. The same arguments give the
same files.

``--shards`` writes the same files as tar files in WebDataset's layout, 1000 in each, in the order
of their names. A picture of 100 crops is written beside OUT.
"""

import argparse
import io
import json
import re
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

SHARE = Path("/usr/share")
FOLDERS = ("backgrounds", "wallpapers")
ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
LEAST_SIDE = 1200
REDUCED, BLOCK, FLAT, MOST_FLAT, EDGE, LEAST_EDGES = 1024, 16, 1.0, 0.5, 4.0, 0.05
LEAST_DEVIATION, TRIES = 4.0, 20
QUALITY = 90
PER_SHARD = 1000

ART = frozenset(
    (
        *("Infinite-Sea_by_Aury88", "analogpattern_by_Peter_Nerlich", "string", "Elephants"),
        *("grid-d", "grid-l", "licorice-d", "licorice-l", "pixels-d", "pixels-l", "symbolic-d"),
        *("symbolic-l", "truchet-d", "truchet-l", "wood-d", "wood-l", "Gulp", "Float-into-MATE"),
        *("Stripes", "Ubuntu-Mate-Cold-no-logo", "Ubuntu-Mate-Dark-no-logo"),
        *("Ubuntu-Mate-Radioactive-no-logo", "Ubuntu-Mate-Warm-no-logo", "Autumn", "Canopee"),
        *("Cascade", "Flow", "Honeywave", "Kay", "Kokkini", "MilkyWay", "Opal", "Patak"),
        *("SafeLanding", "Shell", "Volna"),
    )
)
"""Wallpapers with texture that are no photographs."""

# Photographs of ordinary things; pictures of cells, documents and test patterns are left out.
SCIKIT_IMAGE = (
    *("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png"),
    *("grass.png", "gravel.png", "motorcycle_left.png", "rocket.jpg"),
)
SCIKIT_LEARN = ("china.jpg", "flower.jpg")


def main() -> None:
    """Find the photographs, and cut the crops."""
    Image.MAX_IMAGE_PIXELS = None
    asked = arguments()
    asked.out.mkdir(parents=True, exist_ok=True)
    if any(asked.out.iterdir()):
        raise SystemExit(f"{asked.out} is not empty: give another folder.")
    begun = time.perf_counter()
    pictures = photographs()
    counts = shares(pictures, asked.count)
    cutting = partial(cut, out=asked.out, side=asked.side, seed=asked.seed)
    with ProcessPoolExecutor(asked.processes) as pool:
        redrawn = sum(pool.map(cutting, pictures.items(), counts))
    files = sorted(asked.out.iterdir())
    print(
        json.dumps(
            {
                "pictures": len(pictures),
                "crops": len(files),
                "flat_drawn_again": redrawn,
                "bytes": sum(file.stat().st_size for file in files),
                "seconds": round(time.perf_counter() - begun, 1),
            }
        )
    )
    if asked.shards is not None:
        write_shards(files, asked.shards)
    overview(files, asked.out.with_name(f"{asked.out.name}.jpg"))


def arguments() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="a new or empty folder")
    parser.add_argument("--count", type=int, default=20_000, help="number of crops")
    parser.add_argument("--side", type=int, default=256, help="their size in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shards", type=Path, metavar="DIR", help="write tar files, too")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


# Photographs


def photographs() -> dict[str, Path]:
    """The photographs by name; what is left out is printed."""
    found: dict[str, Path] = {}
    for name, path in sorted(wallpapers().items()):
        reason = why_not(name, path)
        if reason:
            print(f"left out: {path} ({reason})")
        else:
            found[name] = path
    import skimage.data
    import sklearn.datasets

    image, learn = Path(skimage.data.__file__).parent, Path(sklearn.datasets.__file__).parent
    for path in (
        *(image / name for name in SCIKIT_IMAGE),
        *(learn / "images" / name for name in SCIKIT_LEARN),
    ):
        found[path.stem] = path
    return found


def wallpapers() -> dict[str, Path]:
    """The largest version of each wallpaper, by name."""
    largest: dict[str, tuple[int, Path]] = {}
    for file in (path for folder in FOLDERS for path in sorted((SHARE / folder).rglob("*"))):
        if file.is_symlink() or file.suffix.lower() not in ENDINGS:
            continue
        parts = file.relative_to(SHARE).parts
        if "images_dark" in parts or file.stem == "screenshot":
            continue
        is_in_sizes = "contents" in parts
        name = parts[-4] if is_in_sizes else re.sub(r"_\d+x\d+$", "", file.stem)
        with Image.open(file) as image:
            pixels = image.width * image.height
        largest[name] = max(largest.get(name, (0, file)), (pixels, file))
    return {name: path for name, (_, path) in largest.items()}


def why_not(name: str, path: Path) -> str:
    """Why a wallpaper is no photograph; "" if it is one."""
    with Image.open(path) as image:
        if max(image.size) < LEAST_SIDE:
            return f"{image.width}×{image.height} pixels"
        reduced = image.convert("RGB").convert("L")
    reduced.thumbnail((REDUCED, REDUCED), Image.Resampling.BOX)
    gray = np.asarray(reduced, np.float32)
    height, width = (side // BLOCK for side in gray.shape)
    blocks = gray[: height * BLOCK, : width * BLOCK].reshape(height, BLOCK, width, BLOCK)
    flat = np.mean(blocks.std(axis=(1, 3)) < FLAT)
    inner = gray[1:-1, 1:-1]
    around = gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:]
    edges = np.mean(np.abs(4 * inner - around) > EDGE)
    if flat >= MOST_FLAT or edges < LEAST_EDGES:
        return f"no texture: {flat:.0%} of blocks flat, {edges:.0%} of pixels at edges"
    return "drawn, painted or rendered" if name in ART else ""


def shares(pictures: dict[str, Path], count: int) -> list[int]:
    """How many of ``count`` crops each picture gives."""
    roots = []
    for path in pictures.values():
        with Image.open(path) as image:
            roots.append((image.width * image.height) ** 0.5)
    edges = np.rint(np.cumsum([0.0, *roots]) / sum(roots) * count).astype(int)
    return list(np.diff(edges))


# Crops


def cut(named: tuple[str, Path], count: int, out: Path, side: int, seed: int) -> int:
    """Write the crops of a picture; how many were drawn again because they were flat."""
    name, path = named
    rng = np.random.default_rng([seed, *name.encode()])
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    again = 0
    for number in range(count):
        for _ in range(TRIES):
            crop = drawn(image, side, rng)
            if np.asarray(crop.convert("L"), np.float32).std() >= LEAST_DEVIATION:
                break
            again += 1
        crop.save(out / f"{name}-{number:04}.jpg", quality=QUALITY)
    return again


def drawn(image: Image.Image, side: int, rng: np.random.Generator) -> Image.Image:
    """A random square of a picture, reduced to ``side`` pixels."""
    shorter = min(image.size)
    length = round(np.exp(rng.uniform(np.log(min(side, shorter)), np.log(shorter))))
    left, top = (int(rng.integers(0, whole - length + 1)) for whole in image.size)
    box = (left, top, left + length, top + length)
    return image.resize((side, side), Image.Resampling.LANCZOS, box, reducing_gap=3.0)


def write_shards(files: list[Path], place: Path) -> None:
    """The files in tar files of `PER_SHARD` members each."""
    place.mkdir(parents=True, exist_ok=True)
    begun, total = time.perf_counter(), 0
    for number, first in enumerate(range(0, len(files), PER_SHARD)):
        path = place / f"crops-{number:03}.tar"
        with tarfile.open(path, "x", format=tarfile.PAX_FORMAT) as archive:
            for member, content in members(files[first : first + PER_SHARD]):
                archive.addfile(member, content)
        total += path.stat().st_size
    seconds = round(time.perf_counter() - begun, 1)
    print(json.dumps({"shards": number + 1, "bytes": total, "seconds": seconds}))


def members(files: list[Path]) -> Iterator[tuple[tarfile.TarInfo, io.BytesIO]]:
    """The files as members of a tar file, without owners and times."""
    for file in files:
        content = file.read_bytes()
        member = tarfile.TarInfo(file.name)
        member.size = len(content)
        yield member, io.BytesIO(content)


def overview(files: list[Path], path: Path, count: int = 100, across: int = 10) -> None:
    """A picture of random crops."""
    from optogram.render import sheet

    chosen = np.random.default_rng(0).choice(len(files), min(count, len(files)), replace=False)
    pictures = [Image.open(files[i]).reduce(2) for i in chosen]
    rows = [pictures[i : i + across] for i in range(0, len(pictures), across)]
    sheet(rows, gap=2).save(path, quality=QUALITY)
    print(path)


if __name__ == "__main__":
    main()
