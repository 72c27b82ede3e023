"""What a vision transformer costs: Grad-CAM, gray patches beside dropped tokens, all attention.

``KERAS_BACKEND=tensorflow python benchmarks/transformer.py --rounds 3``

The network is KerasHub's ViT-B/16 with random weights, for photos of 224×224; ``--blocks`` makes it
shorter. In each round, each task is done once; times are medians over the rounds, beside that of
the first task, the gradient of a score. "beyond the start" is the largest size of the process after
the attention of all layers less that before it, which ``--memory`` bounds beside the result.
"""

import argparse
import resource
from collections.abc import Callable
from typing import Any

import keras
import keras_hub
from occlusion import Taken, median, seconds

import optogram as og

_SIDE, _PATCH = 224, 16


def network(blocks: int) -> og.Network:
    """A classifier whose first blocks are those of ViT-B/16."""
    keras.utils.set_random_seed(0)
    backbone = keras_hub.models.ViTBackbone(
        image_shape=(_SIDE, _SIDE, 3),
        patch_size=_PATCH,
        num_layers=blocks,
        num_heads=12,
        hidden_dim=768,
        mlp_dim=3072,
    )
    model = keras_hub.models.ViTImageClassifier(
        backbone=backbone, num_classes=1000, pooling="token", preprocessor=None
    )
    return og.Network(model, preprocess="tf")


def tasks(net: og.Network, arguments: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    """What is timed, by its name."""
    x = net.prepare(og.datasets.sample_photo("chelsea"))
    target = int(net.scores(x).argmax())
    side = _PATCH * arguments.patches
    options: dict[str, Any] = {"memory": arguments.memory}

    return {
        "saliency": lambda: og.saliency(net, x, target, **options),
        "Grad-CAM": lambda: og.gradcam(net, x, target, **options),
        "LRP": lambda: og.lrp(net, x, target, composite="epsilon", **options),
        "attention of all layers": lambda: og.attention(net, x, "*", **options),
        "occlusion, gray": lambda: og.occlusion(net, x, target, patch=side, stride=side, **options),
        "occlusion, dropped": lambda: og.occlusion(
            net, x, target, patch=side, stride=side, fill="drop", **options
        ),
    }


def largest() -> float:
    """The largest size of the process so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the times, and the memory of attention."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--patches", type=int, default=1, help="side of what is hidden, in tokens")
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--only", nargs="+", metavar="TASK", help="such as saliency or occlusion")
    arguments = parser.parse_args()
    net = network(arguments.blocks)
    work = tasks(net, arguments)
    before = largest()
    attention = work["attention of all layers"]()
    values = sum(each.values.nbytes for each in attention.values()) / 1e6
    print(f"attention: {values:.0f} MB, {largest() - before:.0f} MB beyond the start", flush=True)
    chosen = {
        name: one
        for name, one in work.items()
        if not arguments.only or any(name.startswith(each) for each in arguments.only)
    }
    taken: dict[str, list[Taken]] = {name: [] for name in chosen}
    for one in chosen.values():
        one()  # compiled now
    for _ in range(arguments.rounds):
        for name, one in chosen.items():
            taken[name].append(seconds(one))
    first = next(iter(chosen))
    unit = median(taken[first])
    for name, times in taken.items():
        found = median(times)
        print(
            f"{name}: {found.wall:.2f} s, {found.processor / unit.processor:.2f}× the processor "
            f"time of {first}"
        )


if __name__ == "__main__":
    main()
