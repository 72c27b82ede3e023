"""Whether explanations of a detector's boxes lie in the box: a small detector, trained here.

``python benchmarks/detector.py --out build/detector`` (five minutes on two cores, then one)

Items of Fashion-MNIST are put at random places, in random sizes, on textured canvases of 96×96
pixels. A network of six convolutions scores the ten classes for a box in each cell of 8×8 pixels.
On canvases that it has not seen, the score of the best box at each item is explained. The table has
the mean share of a map inside the box that was asked for, and inside the other item's; the first
row is what a map that is equal everywhere would have. "Same" are canvases with two items of one
class, where features of the class alone cannot tell the two apart.
"""

import argparse
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops
from PIL import Image, ImageDraw

import optogram as og

SIDE, CELL, CLASSES = 96, 8, 10
CELLS = SIDE // CELL
METHODS = ("gradcam", "layercam", "hirescam", "saliency", "smoothgrad", "occlusion", "lrp")
SHOWN = ("gradcam", "layercam", "saliency", "occlusion", "lrp")
_OPTIONS = {"occlusion": {"patch": 12}}


def canvases(
    images: np.ndarray, labels: np.ndarray, count: int, seed: int, same: bool = False
) -> tuple[np.ndarray, list[list[tuple[int, tuple[int, int, int, int]]]]]:
    """Canvases (count, 96, 96, 1) in 0..255, and the items of each: (class, box)."""
    draw = np.random.default_rng(seed)
    made, items = np.empty((count, SIDE, SIDE, 1), np.float32), []
    for canvas in made:
        canvas[:] = _texture(draw)
        found: list[tuple[int, tuple[int, int, int, int]]] = []
        first = draw.integers(len(images))
        for _ in range(2 if same else draw.integers(1, 4)):
            which = draw.integers(len(images))
            if same:
                which = draw.choice(np.flatnonzero(labels == labels[first]))
            side = int(draw.integers(24, 41))
            for _ in range(20):
                top, left = draw.integers(0, SIDE - side + 1, 2)
                box = (int(top), int(left), int(top) + side, int(left) + side)
                if all(_apart(box, other) for _, other in found):
                    break
            else:
                continue
            small = Image.fromarray(images[which]).resize((side, side), Image.Resampling.BILINEAR)
            item = np.asarray(small, np.float32)[..., None]
            part = canvas[top : top + side, left : left + side]
            part[:] = np.where(item > 20, item, part)
            rows, columns = np.nonzero(item[..., 0] > 20)
            tight = (top + rows.min(), left + columns.min(), top + rows.max(), left + columns.max())
            found.append((int(labels[which]), tuple(int(x) + (i > 1) for i, x in enumerate(tight))))
        items.append(found)
    return made, items


def _texture(draw: np.random.Generator) -> np.ndarray:
    """Waves and noise, (96, 96, 1), around a gray level."""
    y, x = np.mgrid[:SIDE, :SIDE]
    angle, length = draw.uniform(0, np.pi), draw.uniform(6, 30)
    waves = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / length)
    noise = draw.normal(0, 12, (SIDE, SIDE))
    level, height = draw.uniform(40, 120), draw.uniform(5, 30)
    return np.clip(level + height * waves + noise, 0, 255)[..., None]


def _apart(box: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return box[2] <= other[0] or other[2] <= box[0] or box[3] <= other[1] or other[3] <= box[1]


def aims(items: list) -> tuple[np.ndarray, np.ndarray]:
    """What the network should return: classes (N, cells, 10) and boxes (N, cells, 4)."""
    classes = np.zeros((len(items), CELLS, CELLS, CLASSES), np.float32)
    boxes = np.zeros((len(items), CELLS, CELLS, 5), np.float32)
    for number, found in enumerate(items):
        for label, (top, left, bottom, right) in found:
            y, x = (top + bottom) / 2, (left + right) / 2
            for row in range(CELLS):
                for column in range(CELLS):
                    middle = ((row + 0.5) * CELL, (column + 0.5) * CELL)
                    if max(abs(middle[0] - y), abs(middle[1] - x)) <= 0.75 * CELL:
                        classes[number, row, column, label] = 1
                        boxes[number, row, column] = (y, x, bottom - top, right - left, 1)
    return classes.reshape(len(items), -1, CLASSES), boxes.reshape(len(items), -1, 5)


def detector() -> keras.Model:
    """Class scores and boxes (center_yxhw, in pixels) of each cell."""
    image = keras.Input((SIDE, SIDE, 1), name="image")
    x = layers.Rescaling(1 / 127.5, -1)(image)
    for number, (filters, strides) in enumerate(((24, 2), (48, 2), (64, 2), (64, 1), (64, 1)), 1):
        x = layers.Conv2D(
            filters, 3, strides, padding="same", use_bias=False, name=f"conv{number}"
        )(x)
        x = layers.BatchNormalization(name=f"bn{number}")(x)
        x = layers.ReLU(name=f"relu{number}")(x)
    scores = layers.Conv2D(
        CLASSES, 3, padding="same", bias_initializer=keras.initializers.Constant(-4), name="scores"
    )(x)
    scores = layers.Activation("sigmoid")(layers.Reshape((-1, CLASSES))(scores))
    rows, columns = np.mgrid[:CELLS, :CELLS]
    zero = np.zeros(CELLS * CELLS)
    middles = np.stack([rows.ravel(), columns.ravel(), zero, zero], -1) * CELL + (4, 4, 28, 28)
    sides = layers.Reshape((-1, 4))(layers.Conv2D(4, 3, padding="same", name="sides")(x))
    boxes = sides * float(CELL) + middles[None].astype("float32")
    return keras.Model(image, {"boxes": boxes, "classes": scores})


def trained(count: int, epochs: int, path: Path) -> keras.Model:
    """The detector, trained on ``count`` canvases, or read from ``path``."""
    data = og.datasets.fashion_mnist()
    model = detector()
    if path.exists():
        model.load_weights(path)
        return model
    x, items = canvases(data.train_images, data.train_labels, count, 0)
    classes, boxes = aims(items)

    def box_loss(aim: object, made: object) -> object:
        off = ops.sum(ops.abs(aim[..., :4] - made), -1) / CELL
        return ops.sum(off * aim[..., 4], -1) / (ops.sum(aim[..., 4], -1) + 1)

    focal = keras.losses.BinaryFocalCrossentropy(gamma=1.5, reduction="sum")
    steps = epochs * count // 64
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(
        keras.optimizers.Adam(rate),
        loss={"classes": focal, "boxes": box_loss},
        loss_weights={"classes": 1 / 64, "boxes": 1},
    )
    model.fit(x, {"classes": classes, "boxes": boxes}, 64, epochs, verbose=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save_weights(path)
    return model


def shares(heatmap: np.ndarray, boxes: list[tuple[int, int, int, int]]) -> np.ndarray:
    """The share of a map of any size inside each of ``boxes``."""
    map_ = np.abs(heatmap) if heatmap.min() < 0 else heatmap
    large = np.asarray(
        Image.fromarray(map_.astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    ).clip(0)
    total = large.sum() or 1
    return np.array(
        [large[top:bottom, left:right].sum() / total for top, left, bottom, right in boxes]
    )


def main() -> None:
    """Train, explain, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/detector"))
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--photos", type=int, default=24)
    told = parser.parse_args()
    keras.utils.set_random_seed(0)
    model = trained(told.count, told.epochs, told.out / "detector.weights.h5")
    data = og.datasets.fashion_mnist()
    net = og.Network(model, labels=data.classes, output="classes")
    print(f"default layer {net.default_layer}")
    for same in (False, True):
        x, items = canvases(data.test_images, data.test_labels, told.photos, 1, same)
        rows: dict[str, list[np.ndarray]] = {"uniform": [], **{name: [] for name in METHODS}}
        seen = []
        for number, (canvas, found) in enumerate(zip(x, items, strict=True)):
            if len(found) < 2:
                continue
            asked, boxes = found[:2], [box for _, box in found[:2]]
            targets = [
                og.Box(label, box, boxes="boxes", format="center_yxhw") for label, box in asked
            ]
            results = {
                name: getattr(og, name)(net, canvas[None], targets, **_OPTIONS.get(name, {}))
                for name in METHODS
            }
            seen += (results["saliency"].score > 0).tolist()
            for which in range(2):
                order = [boxes[which], boxes[1 - which]]
                rows["uniform"].append(shares(np.ones((SIDE, SIDE)), order))
                for name, result in results.items():
                    rows[name].append(shares(_positive(result)[which], order))
            if len(seen) <= 8:
                kind = "same" if same else "any"
                sheet(canvas, boxes, results).save(told.out / f"{kind}-{number}.png")
        kind = "same class" if same else "any classes"
        print(f"\n{kind}: {len(seen)} boxes, {np.mean(seen):.0%} scored above 0.5\n")
        print("| map | in the box asked for | in the other one |\n|---|---|---|")
        for name, each in rows.items():
            own, other = np.mean(each, 0)
            print(f"| {name} | {own:.0%} | {other:.0%} |")


def sheet(canvas: np.ndarray, boxes: list, results: dict[str, og.Attribution]) -> Image.Image:
    """A row for each box: the canvas with the box that was asked for, and the maps over it."""
    shown = [name for name in METHODS if name in SHOWN]
    side, title = 2 * SIDE, 24
    page = Image.new("RGB", ((1 + len(shown)) * (side + 8), title + 2 * (side + 8)), "white")
    draw = ImageDraw.Draw(page)
    for column, name in enumerate(("asked", *shown)):
        draw.text((column * (side + 8) + 4, 6), name, "black")
    for row, (top, left, bottom, right) in enumerate(boxes):
        plain = Image.fromarray(canvas[..., 0].astype(np.uint8)).convert("RGB")
        for column, name in enumerate(("asked", *shown)):
            over = plain if name == "asked" else results[name].overlay(row, bar=False)
            over = over.resize((side, side), Image.Resampling.NEAREST)
            corners = (2 * left, 2 * top, 2 * right - 1, 2 * bottom - 1)
            ImageDraw.Draw(over).rectangle(corners, outline=(0, 160, 255), width=2)
            page.paste(over, (column * (side + 8), title + row * (side + 8)))
    return page


def _positive(result: og.Attribution) -> np.ndarray:
    """The maps (N, h, w) of what speaks for the score; sizes of gradients."""
    if result.method in ("saliency", "smoothgrad"):
        return result.heatmap
    return np.maximum(result.heatmap, 0)


if __name__ == "__main__":
    main()
