"""The networks as files that every side can read: a Keras model, its weights, and photos.

``python -m benchmarks.comparison.networks vgg16 FOLDER`` writes ``FOLDER/vgg16.keras``,
``vgg16.npz`` and ``vgg16.json``. EfficientNet-Lite0 has its ImageNet weights, the others have
seeded random ones, with batch normalizations set to the photo.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .side import Given
from .tasks import LITE, PHOTOS

LAYERS = {
    "vgg16": "block5_conv3",
    "resnet50v2": "conv5_block3_out",
    LITE: "block7a_project_bn",
}
"""The last layers with maps; of EfficientNet-Lite0 the last but two, whose maps are fewer."""


def opened(name: str) -> Any:
    """The network called ``name``; random weights differ from backend to backend."""
    import keras

    import optogram as og

    if name == LITE:
        return og.load(name)
    keras.utils.set_random_seed(0)
    return og.load(name, weights=None)


def written(name: str, folder: Path) -> None:
    """Write the files of a network."""
    import optogram as og

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from catalogue import set_normalizations

    net = opened(name)
    x = np.asarray(net.prepare(og.datasets.sample_photo("chelsea")))
    if name != LITE:
        set_normalizations(net.model, x)
    noise = np.random.default_rng(0).normal(0, 0.01 * np.ptp(x), (PHOTOS, *x.shape[1:]))
    layer = LAYERS[name]
    about = {
        "layer": layer,
        "channels": net[layer].output_shape[-1],
        "label": int(net.scores(x).argmax()),
    }
    photos = np.concatenate([x, x + noise[1:]]).astype(np.float32)
    net.model.save(folder / f"{name}.keras")
    np.savez(folder / f"{name}.npz", *net.model.get_weights(), photos=photos)
    (folder / f"{name}.json").write_text(json.dumps(about), encoding="utf-8")


def about(name: str, folder: Path) -> dict[str, Any]:
    """The layer, its channels, and the class of the first photo."""
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def read(name: str, folder: Path) -> Given:
    """The files that `written` wrote."""
    with np.load(folder / f"{name}.npz") as arrays:
        weights = [arrays[f"arr_{number}"] for number in range(len(arrays.files) - 1)]
        photos = arrays["photos"]
    known = about(name, folder)
    return Given(folder / f"{name}.keras", weights, photos, known["layer"], known["label"])


def main() -> None:
    """Write the files of the network named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    written(arguments.network, arguments.folder)


if __name__ == "__main__":
    main()
