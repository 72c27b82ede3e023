"""KerasHub's image models, small and with random weights: what of optogram works on them.

``nox -s kerashub``

Prints a table: what works, what is refused in one sentence, and how many steps are code that cannot
be looked into. The exit status is 1 where something neither works nor is refused in one sentence.
"""

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops
from kerashub_models import ARCHITECTURES, CHANNELS_LAST, OPENED, TOLERANCES, with_noise

import optogram as og
from optogram.graph.steps import Output
from optogram.interpreters.gradients import gradients

_REPLAYED = 1e-5
"""Of the largest value: backends sum in another order when they compile another program."""


class Subject:
    """A model of the table, opened, and what is asked of it."""

    def __init__(self, name: str) -> None:
        keras.utils.set_random_seed(0)
        self.name, self.choices = name, OPENED.get(name, {})
        self.model = with_noise(ARCHITECTURES[name]())
        began = time.perf_counter()
        self.net = og.Network(self.model, preprocess="unit", **self.choices)
        self.seconds = time.perf_counter() - began
        size = self.net.nominal_size
        self.x = self.net.prepare(og.datasets.sample_photo("chelsea"), size=size)

    @cached_property
    def target(self) -> Any:
        """A class, or what stands for it where there are no classes of the image."""
        rank = len(self.net.graph.steps[self.net.head.output.step].shape)
        if rank == 2:
            return 0
        along = tuple(range(1, rank - 1))
        return og.Score(lambda outputs: ops.mean(outputs[..., 0], axis=along), "the first channel")

    def questions(self) -> dict[str, Callable[[], np.ndarray]]:
        """What is asked of each network, by the title of its column."""
        net, x, target = self.net, self.x, self.target
        maps = list(net.map_layers())
        return {
            "replay": self.replay,
            "maps read": self.maps_read,
            "predict": lambda: np.array([p.probability for p in net.predict(x, top=1)[0]]),
            "saliency": lambda: og.saliency(net, x, target).values,
            "Grad-CAM": lambda: og.gradcam(net, x, target, rectify=False).values,
            "guided": lambda: og.guided_backprop(net, x, target).values,
            "LRP": lambda: og.lrp(net, x, target).values,
            "occlusion": lambda: (
                og.occlusion(net, x, target, patch=(x.shape[1] // 2, x.shape[2] // 2)).values
            ),
            "feature maps": lambda: np.concatenate(
                [np.empty(0), *(maps.values.ravel() for maps in og.feature_maps(net, x).values())]
            ),
            "maximize": lambda: (
                og.maximize(
                    net, og.Filter(maps[-1], 0) if maps else target, steps=3, size=net.nominal_size
                ).values
            ),
        }

    def replay(self) -> np.ndarray:
        """The output of the steps, if it equals that of the model."""
        (ours,) = self.net.evaluate(self.x, self.net.graph.outputs)
        model, given = self.model, self.x
        if self.name in CHANNELS_LAST:
            model = ARCHITECTURES[CHANNELS_LAST[self.name]]()
            model.set_weights(self.model.get_weights())
        if "fixed" in self.choices:
            others = {name: np.asarray(x)[None] for name, x in self.choices["fixed"].items()}
            given = {self.choices["input"]: self.x, **others}
        made = model(given, training=False)
        if isinstance(made, dict):
            made = made[self.choices.get("output", next(iter(made)))]
        theirs = ops.convert_to_numpy(ops.cast(made, "float32"))
        worst = np.abs(ours.astype(np.float32) - theirs).max() / np.abs(theirs).max()
        allowed = TOLERANCES.get(self.name.rpartition(", ")[2], _REPLAYED)
        if not worst <= allowed:
            raise AssertionError(f"the replay is {worst:.1e} of the largest value off")
        return ours

    def maps_read(self) -> np.ndarray:
        """Ones, if a map of tokens is said to be read exactly where its gradient is not zero."""
        net = self.net
        if not any(step.part for step in net.graph.steps):
            return np.ones(1)
        needed = net.graph.ancestors([net.head.output])
        shown = [
            step
            for step in net.graph.steps
            if step.has_maps and not step.part and step.index in needed and len(step.shapes) == 1
        ]
        (outputs,) = net.evaluate(self.x, [net.head.output])
        drawn = np.random.default_rng(0).normal(0, 1, (1, *outputs.shape)).astype(np.float32)
        at = [Output(step.index) for step in shown]
        found = gradients(net, self.x, {net.head.output: drawn}, at)
        for step, gradient in zip(shown, found.at, strict=True):
            if step.is_read == gradient.vanished.all():
                raise AssertionError(f"{step.name!r} is said to be read: {step.is_read}")
        return np.ones(1)


COLUMNS = (
    *("replay", "maps read", "predict", "saliency", "Grad-CAM", "guided", "LRP", "occlusion"),
    *("feature maps", "maximize"),
)
QUICK = ("replay", "maps read", "Grad-CAM")


class Tally:
    """Collects what was refused and what failed, with a number each for the table."""

    def __init__(self) -> None:
        self.refusals: list[str] = []
        self.failures: list[str] = []

    def cell(self, where: str, ask: Callable[[], np.ndarray]) -> str:
        """What the table says of ``ask``."""
        try:
            answer = ask()
        except og.OptogramError as refusal:
            sentence = str(refusal)
            if sentence not in self.refusals:
                self.refusals.append(sentence)
            return f"refused ({self.refusals.index(sentence) + 1})"
        # Whatever it is, it is what the table shall say.
        except Exception:
            self.failures.append(f"{where}\n{traceback.format_exc()}")
            return f"FAILED ({len(self.failures)})"
        if not answer.size:
            return "none"
        if not np.isfinite(answer).all():
            self.failures.append(f"{where}\nnot finite")
            return f"FAILED ({len(self.failures)})"
        return "works" if answer.any() else "zero"


def described(net: og.Network) -> list[str]:
    """What the table says of the steps: closed ones, attention, and default layer."""
    closed = sum(step.is_foreign for step in net.graph.steps)
    attention = sum(step.kind == "Softmax" and len(step.shape) == 4 for step in net.graph.steps)
    maps = net.map_layers()
    if not maps:
        return [str(len(net.graph.steps)), str(closed), str(attention), "none", ""]
    name = net.default_layer
    grid = "×".join(map(str, maps[name]))
    return [str(len(net.graph.steps)), str(closed), str(attention), f"`{name}`", grid]


def rows(tally: Tally, names: list[str], columns: tuple[str, ...]) -> Iterator[list[str]]:
    """The cells of the table, line after line."""
    yield ["model", "steps", "closed", "attention", "default layer", "maps", *columns]
    for name in names:
        opened: list[Subject] = []

        def opens(name: str = name, opened: list = opened) -> np.ndarray:
            opened.append(Subject(name))
            return np.ones(1)

        cell = tally.cell(f"opening {name}", opens)
        if not opened:
            yield [name, cell, *[""] * (len(columns) + 4)]
            continue
        (subject,) = opened
        questions = subject.questions()
        cells = [tally.cell(f"{column} of {name}", questions[column]) for column in columns]
        print(f"{name}: opened in {subject.seconds:.1f} s", file=sys.stderr, flush=True)
        yield [name, *described(subject.net), *cells]


def main() -> int:
    """Print the table, what was refused, and what failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", default=list(ARCHITECTURES))
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    told, tally = parser.parse_args(), Tally()
    print(f"KerasHub {keras_hub.__version__}, Keras {keras.__version__}, {keras.backend.backend()}")
    columns = QUICK if told.quick else COLUMNS
    for number, cells in enumerate(rows(tally, told.only, columns)):
        print(f"| {' | '.join(cells)} |", flush=True)
        if number == 0:
            print("|---" * len(cells) + "|")
    for number, sentence in enumerate(tally.refusals, 1):
        print(f"\n({number}) {sentence}")
    for number, failure in enumerate(tally.failures, 1):
        print(f"\nFAILED ({number}): {failure}")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
