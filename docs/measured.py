"""Tables and plots of docs/benchmarks.md, from what ``python -m benchmarks`` wrote."""

import io
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image, Markdown
from matplotlib.ticker import FuncFormatter, LogLocator

HERE = Path(__file__).parent
MEASURED = json.loads((HERE / "benchmarks.json").read_text(encoding="utf-8"))
TITLES = {
    "optogram_fast": "optogram, fast",
    "products": "limit",
    "tutorial": "tutorial's loop",
    "plain": "plain Keras",
    "xplique": "Xplique",
    "tf_explain": "tf-explain",
    "tf_keras_vis": "tf-keras-vis",
    "captum": "Captum",
    "grad_cam": "pytorch-grad-cam",
}
BACKENDS = {"tensorflow": "TensorFlow", "torch": "PyTorch", "jax": "JAX"}
NETWORKS = {
    "vgg16": "VGG16",
    "resnet50v2": "ResNet50V2",
    "efficientnet-lite0": "EfficientNet-Lite0",
}


def asked(**which: str) -> list[dict[str, Any]]:
    """The rows with these values."""
    return [
        row for row in MEASURED["rows"] if all(row[key] == value for key, value in which.items())
    ]


def settings() -> Markdown:
    """What each task is asked."""
    lines = ["| task | settings |", "|---|---|"]
    lines += [f"| `{task}` | {known} |" for task, known in MEASURED["tasks"].items()]
    return Markdown("\n".join(lines))


def ratios(network: str, backend: str, kind: str = "wall") -> dict[str, dict[str, float]]:
    """By task: the time of each side over that of optogram, medians of the rounds."""
    found: dict[str, dict[str, float]] = {}
    for row in asked(network=network, backend=backend):
        found.setdefault(row["task"], {})[row["side"]] = statistics.median(row[kind])
    return {
        task: {side: taken / times["optogram"] for side, taken in times.items()}
        for task, times in found.items()
    }


def seconds(network: str, backend: str) -> dict[str, float]:
    """By task: what optogram takes on the wall."""
    rows = asked(network=network, backend=backend, side="optogram")
    return {row["task"]: statistics.median(row["wall"]) for row in rows}


def machines() -> Markdown:
    """One line about each machine."""
    lines = [
        f"{letter}. {known['processor']}, {known.get('cores', '?')} cores, "
        f"{known.get('flags', '').replace('_', ' ')}; {known['system']}."
        for letter, known in zip(ascii_uppercase, MEASURED["machines"], strict=False)
    ]
    return Markdown("\n".join(f"- {line}" for line in lines))


def _machines_of(rows: list[dict[str, Any]]) -> str:
    """The letters of the machines of ``rows``."""
    return " and ".join(ascii_uppercase[one] for one in sorted({row["machine"] for row in rows}))


def table(network: str, backend: str) -> Markdown:
    """How many times longer each side takes than optogram."""
    found, own = ratios(network, backend), seconds(network, backend)
    busy = ratios(network, backend, "processor")
    sides = [side for side in TITLES if any(side in times for times in found.values())]
    lines = ["| | optogram | " + " | ".join(TITLES[side] for side in sides) + " |"]
    lines.append("|---|---|" + "---|" * len(sides))
    rows = asked(network=network, backend=backend)
    where = _machines_of(rows)
    for task, times in found.items():
        cells = [
            f"{times[side]:.2f} ({busy[task][side]:.2f})" if side in times else "" for side in sides
        ]
        there = _machines_of([row for row in rows if row["task"] == task])
        name = f"`{task}`" + (f", {there}" if there != where else "")
        lines.append(f"| {name} | {own[task]:.2f} s | " + " | ".join(cells) + " |")
    title = f"**{NETWORKS[network]}, {BACKENDS[backend]}**, machine {where}"
    return Markdown(f"{title}\n\n" + "\n".join(lines))


def bars(network: str, backend: str) -> Image:
    """The ratios of `table` as bars, on a logarithmic axis; left of 1 is faster than optogram."""
    found = ratios(network, backend)
    sides = [side for side in TITLES if any(side in times for times in found.values())]
    figure, axes = plt.subplots(figsize=(8, 0.35 + 0.16 * sum(map(len, found.values()))))
    height, place, ticks = 1.0, 0.0, []
    for task, times in reversed(found.items()):
        start = place
        for side in reversed(sides):
            if side in times:
                color = f"C{list(TITLES).index(side)}"
                axes.barh(place, times[side] - 1, height * 0.9, left=1, color=color)
                place += height
        ticks.append(((start + place - height) / 2, task))
        place += 0.8
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=1)
    marks = [0.25, 0.5, 1, 2, 4, 8, 16, 32]
    axes.set_xticks(marks, [f"{mark:g}×" for mark in marks])
    axes.minorticks_off()
    axes.set_xlim(0.2, max(2.5, 1.2 * max(max(times.values()) for times in found.values())))
    axes.set_yticks([y for y, _ in ticks], [task for _, task in ticks])
    axes.set_ylim(-0.8, place)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    handles = [plt.Rectangle((0, 0), 1, 1, color=f"C{list(TITLES).index(s)}") for s in sides]
    figure.legend(handles, [TITLES[s] for s in sides], loc="outside right upper", frameon=False)
    axes.set_title(f"{NETWORKS[network]}, {BACKENDS[backend]}: time over optogram's", loc="left")
    figure.set_layout_engine("constrained")
    return _drawn(figure)


def first_calls(network: str) -> Markdown:
    """First call, later calls and the peak of memory, of optogram on all backends."""
    rows = asked(network=network, side="optogram")
    backends = [name for name in BACKENDS if any(row["backend"] == name for row in rows)]
    head = "".join(f" {BACKENDS[name]}: first, later, memory |" for name in backends)
    lines = [f"| {NETWORKS[network]} |{head}", "|---|" + "---|" * len(backends)]
    for task in dict.fromkeys(row["task"] for row in rows):
        cells = []
        for name in backends:
            of_task = [row for row in rows if (row["task"], row["backend"]) == (task, name)]
            cells += [_first_call(row) for row in of_task] or [""]
        lines.append(f"| `{task}` | " + " | ".join(cells) + " |")
    return Markdown("\n".join(lines))


def _drawn(figure: plt.Figure) -> Image:
    """The figure as a PNG."""
    with io.BytesIO() as kept:
        figure.savefig(kept, format="png", dpi=110)
        plt.close(figure)
        return Image(data=kept.getvalue())


def _first_call(row: dict[str, Any]) -> str:
    later = statistics.median(row["wall"])
    return f"{row['first']:.1f} s, {later:.2f} s, {row['peak'] / 1e6:.0f} MB"


def growth(network: str) -> Image:
    """Seconds against what grows, both logarithmic; a thin line is proportional."""
    rows = [row for row in MEASURED["growth"] if row["network"] == network]
    kinds = list(dict.fromkeys(row["grows"] for row in rows))
    figure, grid = plt.subplots(2, 3, figsize=(9, 5.5), layout="constrained")
    for axes, kind in zip(grid.flat, kinds, strict=False):
        axes.set_title(kind + (" of the image, pixels" if kind == "side" else ""), loc="left")
        for name, method, x, y in _curves(rows, kind):
            style = {"gradcam": "-o", "saliency": "--s"}.get(method, "-o")
            color = f"C{list(BACKENDS).index(name)}"
            label = f"{BACKENDS[name]}, {method}"
            axes.loglog(x, y, style, color=color, markersize=3, linewidth=1, label=label)
        axes.set_xticks(x, [str(one) for one in x])
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))
        axes.minorticks_off()
        axes.set_ylabel("seconds")
        axes.legend(fontsize=6, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in list(grid.flat)[len(kinds) :]:
        axes.set_visible(False)
    return _drawn(figure)


def _curves(rows: list[dict[str, Any]], kind: str) -> Iterator[tuple[str, str, Any, Any]]:
    of_kind = [row for row in rows if row["grows"] == kind]
    for name, method in dict.fromkeys((row["backend"], row["method"]) for row in of_kind):
        own = [row for row in of_kind if (row["backend"], row["method"]) == (name, method)]
        times = [statistics.median(row["wall"]) for row in own]
        yield name, method, np.array([row["amount"] for row in own]), np.array(times)


def exponents(network: str) -> Markdown:
    """By how much the time of the largest amount grows where the amount doubles."""
    rows = [row for row in MEASURED["growth"] if row["network"] == network]
    lines = ["| grows | method | " + " | ".join(BACKENDS.values()) + " |", "|---|---|---|---|---|"]
    found: dict[tuple[str, str], dict[str, float]] = {}
    for kind in dict.fromkeys(row["grows"] for row in rows):
        for name, method, x, y in _curves(rows, kind):
            doubled = np.log(y[-1] / y[-2]) / np.log(x[-1] / x[-2])
            found.setdefault((kind, method), {})[name] = 2**doubled
    for (kind, method), by_name in found.items():
        cells = [f"×{by_name[name]:.1f}" if name in by_name else "" for name in BACKENDS]
        lines.append(f"| {kind} | `{method}` | " + " | ".join(cells) + " |")
    return Markdown("\n".join(lines))
