"""A patch over a photo: what each place costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from optogram.methods.occlusion_probe import OcclusionProbe, occlusion_probe
from optogram.methods.progressive_occlusion import progressive_occlusion
from optogram.network.network import Network
from optogram.result import Occlusion
from optogram.web.asking import MODEL, PHOTO, TARGET, Tell, choice, question, whole
from optogram.web.opening import (
    call,
    made_again,
    place_of,
    target_in_python,
    target_in_words,
)
from optogram.web.packing import Answer
from optogram.web.photos import Photo
from optogram.web.questions.photos import class_numbers, for_display
from optogram.web.workspace import Workspace

FILLS: dict[str, float | str] = {"gray": 127.5, "blur": "blur", "mean": "mean"}

PATCH = whole(
    "patch",
    "Side of the patch, in pixels of the prepared photo; 0: a seventh of each side.",
    0,
    default=0,
)
STRIDE = whole("stride", "Step between positions in pixels; 0: half the patch.", 0, default=0)
FILL = choice("fill", "What the patch shows.", tuple(FILLS), "gray")
Y = whole("y", "Row of the patch's upper left corner; it may lie outside.", -1_000_000)
X = whole("x", "Column of the patch's upper left corner; it may lie outside.", -1_000_000)


@question(MODEL, PHOTO, PATCH, FILL, is_long=True, is_kept=False)
def patch_probe(
    workspace: Workspace, tell: Tell, model: Network, photo: Photo, patch: int, fill: str
) -> Answer:
    """Prepare a patch: its size, what it shows (H, W, 3 or 1), scores and probabilities without it.

    `patched` is fast afterwards.
    """
    tell.progress(0, 1, "preparing the patch")
    probe = _probe(workspace, model, photo, patch, fill)
    return Answer(
        {"patch": probe.patch, "size": probe.size},
        {
            "fill": for_display(model, np.asarray(probe.fill, np.float32)),
            **class_numbers(model, probe.score),
        },
    )


@question(MODEL, PHOTO, PATCH, FILL, Y, X, is_kept=False)
def patched(
    workspace: Workspace,
    tell: Tell,
    model: Network,
    photo: Photo,
    patch: int,
    fill: str,
    y: int,
    x: int,
) -> Answer:
    """Scores and probabilities of all classes, (classes,), with a patch at one place."""
    scores = _probe(workspace, model, photo, patch, fill).scores(y, x)
    given = {"patch": patch or None, "fill": FILLS[fill]}
    probe = call("occlusion_probe", "net", repr(place_of(photo)), **given)
    lines = [f"probe = {probe}", f"scores = probe.scores({y}, {x})"]
    again = made_again(workspace, model, lines, "a patch at one place is computed in Python.")
    return Answer({"y": y, "x": x, **again}, class_numbers(model, scores))


@question(MODEL, PHOTO, TARGET, PATCH, STRIDE, FILL, is_long=True)
def occlusion_map(
    workspace: Workspace,
    tell: Tell,
    model: Network,
    photo: Photo,
    target: str,
    patch: int,
    stride: int,
    fill: str,
) -> Answer:
    """How far the score falls with the patch at each position, (rows, cols), from coarse to fine.

    `exact` marks the positions that were computed; the others are interpolated.
    """
    # A map that was stopped goes on where it was.
    key = ("unfinished map", id(model), photo.id, target, patch, stride, fill)
    maps = progressive_occlusion(
        model,
        workspace.prepared(model, photo),
        workspace.target(model, target),
        patch=patch or None,
        stride=stride or None,
        fill=FILLS[fill],
        known=workspace.objects.get(key),
        progress=tell.progress,
    )
    again = _map_again(workspace, model, photo, target, patch, stride, fill)
    answer = Answer({})
    for each in maps:
        answer = _map(each, again)
        workspace.objects.put(
            key, each, each.values.nbytes + each.scores.nbytes + each.exact.nbytes
        )
        if not each.exact.all():
            tell.partial(answer)
    return answer


def _map_again(
    workspace: Workspace,
    model: Network,
    photo: Photo,
    target: str,
    patch: int,
    stride: int,
    fill: str,
) -> dict[str, str | None]:
    """How a whole map is made again."""
    given = {"patch": patch, "stride": stride}
    options = {name: value for name, value in given.items() if value} | {"fill": FILLS[fill]}
    place = place_of(photo)
    line = f"result = {call('occlusion', 'net', repr(place), target_in_python(target), **options)}"
    command: Sequence[str] | str = "optogram explain explains classes, not filters."
    if not target.startswith("filter:"):
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        asked = ["--method", "occlusion", *target_in_words(target), *words]
        command = ["explain", *asked, "--", place]
    return made_again(workspace, model, [line], command)


def _map(found: Occlusion, again: Mapping[str, str | None]) -> Answer:
    about = {
        "patch": found.parameters["patch"],
        "stride": found.parameters["stride"],
        "target": found.targets[0],
        "score": found.score[0],
        "unit": found.score_unit,
        "warnings": found.warnings,
        **again,
    }
    arrays = {"values": found.values[0], "exact": found.exact.astype(np.uint8)}
    return Answer(about, arrays)


def _probe(
    workspace: Workspace, model: Network, photo: Photo, patch: int, fill: str
) -> OcclusionProbe:
    def make() -> tuple[Any, int]:
        x = workspace.prepared(model, photo)
        probe = occlusion_probe(model, x, patch=patch or None, fill=FILLS[fill])
        return probe, probe.nbytes

    return workspace.objects.once(("probe", id(model), photo.id, patch, fill), make)
