"""Options of attribution methods, and calling a method with them."""

import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, count, groupby
from typing import TYPE_CHECKING, Any

import click

from optogram.cli.advice import in_options
from optogram.cli.console import say
from optogram.cli.options.parsing import box, class_label, file_stem, is_given, number_or_word
from optogram.cli.options.precision import EXACT, FAST, VERIFIED, precision_options
from optogram.errors import InputError
from optogram.methods import ATTRIBUTIONS, OF_A_LAYER, named_methods, of_groups
from optogram.pictures.boxes import FORMATS
from optogram.progress import Meter, Progress

if TYPE_CHECKING:
    from optogram.network.network import Network
    from optogram.result import Attribution
    from optogram.target import Target


_NOISY = ("smoothgrad", "vargrad", "squaregrad")
_ON_A_PATH = ("integrated_gradients", "guided_integrated_gradients", "layer_conductance")
_OF_GRADIENTS = ("gradcam", "gradcam_plus_plus", "hirescam", "xgradcam", "layercam")
"""Class activation maps that are sums of feature maps weighted by gradients."""
_MASKED = ("rise", "sobol", "kernel_shap", "lime")
_OF_ANY_TARGET = ("eigencam", "attention_rollout")
"""Those that warn where a target is given, because their maps do not depend on it."""
TAKEN_BY = {
    "layer": OF_A_LAYER,
    "rectify": ("gradcam", "hirescam", "xgradcam", "finercam", "eigengradcam", "ablationcam"),
    "similar": ("finercam",),
    "strength": ("finercam",),
    "samples": (*_NOISY, "expected_gradients"),
    "noise": _NOISY,
    "seed": (*_NOISY, "expected_gradients", *_MASKED),
    "points": (*_ON_A_PATH, "xrai"),
    "spacing": ("integrated_gradients", "xrai", "layer_conductance"),
    "baseline": (*_ON_A_PATH, *_MASKED),
    "baselines": ("expected_gradients",),
    "fraction": ("guided_integrated_gradients",),
    "max_dist": ("guided_integrated_gradients",),
    "head_fusion": ("attention_rollout",),
    "composite": ("lrp",),
    "masks": _MASKED,
    "tolerance": _MASKED,
    "grid": ("rise", "sobol"),
    "segments": ("kernel_shap", "lime"),
    "patch": ("occlusion",),
    "stride": ("occlusion",),
    "margin": ("occlusion",),
    "fill": ("occlusion",),
    "fill_space": ("occlusion",),
    "precision": (*_OF_GRADIENTS, "occlusion", "scorecam", "ablationcam", *_MASKED),
}
"""The methods that take each option; those not named here are taken by all.

The methods' own signatures say the same, but reading them would import Keras first.
"""

_COMPOSITES = (
    "epsilon_gamma_box",
    "epsilon_plus",
    "epsilon_plus_flat",
    "alpha2_beta1",
    "alpha2_beta1_flat",
    "epsilon",
    "cp_epsilon",
    "cp_gamma",
)
_BASELINES = ("black", "white", "gray", "mean", "blur")

BEST = "best"
"""The word for the best method of an evaluation."""
_OF_BEST = "; best: of an evaluation, see --evaluation"

OWN_OPTIONS = {"check": ("seed",)}
"""Options that a command itself uses, whatever the methods take."""


@dataclass(frozen=True)
class Run:
    """One method at one layer.

    Attributes
    ----------
    method : str
        Name of the method.
    layer : str or None
        The layer. None: the default layer, or none for methods without a layer.
    stem : str
        Stem of file names: the method, and the layer if there are several.
    """

    method: str
    layer: str | None
    stem: str


@dataclass(frozen=True)
class ClassesAsked:
    """The classes that the user asked for; making targets of them imports Keras.

    Attributes
    ----------
    labels : tuple of int or str
        Classes to explain.
    against : int, str or None
        The class whose score is subtracted.
    region : (top, left, bottom, right) or None
        Region of a segmentation output, or of a detector's image.
    box_format : str or None
        Format of a detector's boxes.
    """

    labels: tuple[int | str, ...]
    against: int | str | None
    region: tuple[int, int, int, int] | None
    box_format: str | None = None

    def targets(self, net: "Network") -> "list[Target]":
        """One target for each label: the class, or the best box of a detector."""
        from optogram.box import Box
        from optogram.target import Class

        if self.box_format is not None and not net.head.scores_boxes:
            raise InputError(
                f"--box-format is for detectors, and {net.name!r} does not score boxes: leave it "
                "out."
            )

        def made(label: int | str) -> "Target":
            if net.head.scores_boxes:
                return Box(label, self.region, format=self.box_format)
            return Class(label, self.region)

        classes = [made(label) for label in self.labels]
        if self.against is None:
            return classes
        return [target - made(self.against) for target in classes]


@dataclass(frozen=True)
class Asked:
    """The attribution that the user asked for.

    Attributes
    ----------
    methods : list of str
        Names of methods, without duplicates.
    target : ClassesAsked or None
        None: the highest-scoring class of each photo.
    seed, memory
        As given.
    layers : tuple of str
        Names or patterns of layers.
    options : mapping
        Options for the methods that take them, without the layer.
    of_groups : frozenset of str
        The methods that "all" or "common" stand for, and that are not named.
    """

    methods: list[str]
    target: "ClassesAsked | None"
    seed: int
    memory: str | None
    layers: tuple[str, ...]
    options: dict[str, Any]
    of_groups: frozenset[str] = frozenset()

    def usable(self, net: "Network") -> "Asked":
        """The same without those of ``of_groups`` that the network has nothing for, which it says.

        Raises
        ------
        InputError
            If none is left.
        """
        from optogram.methods.request.left_out import left_out

        gone = left_out(net, [name for name in self.methods if name in self.of_groups])
        kept = [name for name in self.methods if name not in gone]
        if not kept:
            raise InputError(next(iter(gone.values())))
        for reason in dict.fromkeys(gone.values()):
            names = [name for name, own in gone.items() if own == reason]
            say(f"Left out: {', '.join(names)}. {reason}", err=True)
        return replace(self, methods=kept)

    @property
    def count(self) -> int:
        """Number of maps per method and photo."""
        return 1 if self.target is None else len(self.target.labels)

    def runs(self, net: "Network") -> list[Run]:
        """Each method, once per layer where it takes one."""
        layers = net.layer_names(self.layers)
        several, taken, found = len(layers) > 1, set[str](), list[Run]()
        for method in self.methods:
            for layer in layers if layers and method in TAKEN_BY["layer"] else [None]:
                stem = f"{method}-{file_stem(layer)}" if several and layer else method
                names = chain([stem], (f"{stem}-{number}" for number in count(2)))
                stem = next(name for name in names if name.casefold() not in taken)
                taken.add(stem.casefold())
                found.append(Run(method, layer, stem))
        return found

    def results(
        self, net: "Network", runs: list[Run], image: Any, meter: Meter, photo: str
    ) -> "Iterator[tuple[Run, Attribution]]":
        """Each run with its result; one call explains all layers of a method.

        The methods of noisy gradients share their copies.
        """
        noisy: Any = None  # the copies of the method before
        targets = self._targets(net, image)
        found: dict[str | None, Any]
        for method, each in groupby(runs, key=lambda run: run.method):
            group = list(each)
            with meter.part(100 * len(group), f"{photo}: {method}") as within:
                if method in _NOISY and noisy is not None:
                    found = {None: getattr(noisy, method)()}
                elif len(group) == 1:
                    layer = group[0].layer
                    found = {layer: self._ask(net, method, layer, image, targets, within)}
                    noisy = found[None] if method in _NOISY else None
                else:
                    layers = [run.layer for run in group if run.layer is not None]
                    found = self._ask(net, method, layers, image, targets, within)
            yield from ((run, found[run.layer]) for run in group)

    def _targets(self, net: "Network", image: Any) -> "list[Target] | None":
        """What is explained of the photo; None where scores are maps and no target was given.

        The highest-scoring class is found once for all methods, whose programs for a given target
        then serve other photos and checks, too.
        """
        from optogram.methods.request.request import ask

        if self.target is not None:
            return self.target.targets(net)
        if net.head.is_spatial:
            return None
        request = ask(net, image, None, self.options["score"]).answer(self.memory).request
        return list(request.targets or ())

    def _ask(
        self,
        net: "Network",
        method: str,
        layer: str | list[str] | None,
        image: Any,
        targets: "list[Target] | None",
        progress: Progress,
    ) -> Any:
        """The result of ``method``; several layers give a dict."""
        import optogram

        given = {
            name: option
            for name, option in self.options.items()
            if option is not None and method in TAKEN_BY.get(name, self.methods)
        }
        if layer is not None:
            given["layer"] = layer
        target = None if self.target is None and method in _OF_ANY_TARGET else targets
        function = getattr(optogram, method)
        return function(net, image, target, memory=self.memory, progress=progress, **given)


def attribution_options(
    command: Callable[..., Any], groups: tuple[str, ...] = ("common", "all")
) -> Callable[..., Any]:
    """Add the options of `Asked`, which the command receives as ``asked``.

    ``groups`` are words that stand for methods.
    """

    @functools.wraps(command)
    def gathered(
        *,
        methods: tuple[str, ...],
        targets: tuple[str, ...],
        against: str | None,
        region: str | None,
        box_format: str | None,
        layer: tuple[str, ...],
        memory: str | None,
        **others: Any,
    ) -> Any:
        options = {name: others.pop(name) for name in (*TAKEN_BY, "score") if name != "layer"}
        for name in ("fill", "baseline"):
            if options[name] is not None:
                options[name] = number_or_word(options[name])
        chosen = [BEST] if methods == (BEST,) else named_methods(_without_best(methods))
        meant = of_groups(methods)
        _require_baseline(options["baseline"])
        _require_taken(click.get_current_context(), chosen, options["fill"])
        target = _targets(targets, against, region, box_format)
        asked = Asked(chosen, target, options["seed"], memory, layer, options, meant)
        return command(asked=asked, **others)

    for option in reversed(
        (
            click.option(
                "--method",
                "methods",
                multiple=True,
                type=click.Choice([*ATTRIBUTIONS, *groups]),
                default=("gradcam",),
                show_default=True,
                help="Attribution method; repeatable. common: those that most tools have; all can "
                f"take minutes for each photo{_OF_BEST if BEST in groups else ''}.",
            ),
            click.option(
                "--target",
                "targets",
                metavar="CLASS",
                multiple=True,
                help="Class to explain: number, name or WordNet id; repeatable.  [default: the "
                "highest-scoring class of each photo]",
            ),
            click.option(
                "--against",
                metavar="CLASS",
                help="Explain the difference to this class: target minus other.",
            ),
            click.option(
                "--region",
                metavar="TOP,LEFT,BOTTOM,RIGHT",
                help="Region to explain: of a segmentation output, in pixels of the output; or "
                "where the box of a detector is, in pixels of the image fed.  [default: all of it]",
            ),
            click.option(
                "--box-format",
                type=click.Choice(FORMATS),
                help="Format of the boxes that a detector returns; those of KerasHub are known.",
            ),
            click.option(
                "--layer",
                metavar="NAME",
                multiple=True,
                help="Layer, for the methods that explain one; repeatable, or a pattern such as "
                '"block*_conv3": one map each.  [default: the last one with feature maps]',
            ),
            click.option(
                "--score",
                type=click.Choice(["logit", "probability"]),
                default="logit",
                show_default=True,
                help="Score to explain.",
            ),
            click.option(
                "--rectify/--no-rectify",
                default=True,
                show_default=True,
                help="Whether Grad-CAM and its relatives set negative values to zero.",
            ),
            click.option(
                "--similar",
                type=click.IntRange(1),
                metavar="N",
                default=3,
                show_default=True,
                help="Number of similar classes that Finer-CAM compares with.",
            ),
            click.option(
                "--strength",
                type=click.FloatRange(0),
                default=0.6,
                show_default=True,
                help="Weight of the similar classes in Finer-CAM: 0 is Grad-CAM.",
            ),
            click.option(
                "--samples",
                type=click.IntRange(1),
                metavar="N",
                help="Number of noisy copies of the photo for SmoothGrad, VarGrad and SquareGrad; "
                "of samples for expected gradients.  [default: 32; for expected gradients 96]",
            ),
            click.option(
                "--noise",
                type=click.FloatRange(0),
                metavar="SHARE",
                default=0.15,
                show_default=True,
                help="Standard deviation of this noise, as a share of the range of the "
                "preprocessed photo.",
            ),
            click.option(
                "--points",
                type=click.IntRange(1),
                metavar="N",
                help="Number of points of integrated gradients, also in XRAI, and of layer "
                "conductance.  [default: 32; of integrated gradients and XRAI up to 288 where the "
                "values miss more than 5 % of the change of the score; of the guided ones 200]",
            ),
            click.option(
                "--spacing",
                type=click.Choice(["cubic", "even"]),
                help="Position of these points: denser near the baseline, or evenly spaced.  "
                "[default: cubic, or even where --points is given]",
            ),
            click.option(
                "--head-fusion",
                type=click.Choice(["mean", "max", "min"]),
                default="mean",
                show_default=True,
                help="How attention rollout combines the heads of a layer.",
            ),
            click.option(
                "--composite",
                type=click.Choice(_COMPOSITES),
                default=_COMPOSITES[0],
                show_default=True,
                help="Rules of layer-wise relevance propagation (LRP).",
            ),
            click.option(
                "--masks",
                type=click.IntRange(1),
                metavar="N",
                help="Largest number of masked images.  [default: 4000; 2112 for Sobol]",
            ),
            click.option(
                "--tolerance",
                type=click.FloatRange(0),
                metavar="SHARE",
                default=0.1,
                show_default=True,
                help="Mean standard error of a map of masked images, as a share of its range, at "
                "which no more are taken; 0 takes all.",
            ),
            click.option(
                "--grid",
                type=click.IntRange(2),
                metavar="N",
                help="Cells of a mask along each side.  [default: 7 for RISE, 8 for Sobol]",
            ),
            click.option(
                "--segments",
                type=click.IntRange(2),
                metavar="N",
                default=64,
                show_default=True,
                help="Approximate number of segments for KernelSHAP and LIME.",
            ),
            click.option(
                "--patch",
                type=click.IntRange(1),
                help="Side of the occluding patch, in pixels.  [default: a seventh of the image]",
            ),
            click.option(
                "--stride",
                type=click.IntRange(1),
                help="Step of the patch, in pixels.  [default: half the patch]",
            ),
            click.option(
                "--margin",
                type=click.IntRange(0),
                default=0,
                show_default=True,
                help="Pixels covered around the patch on every side.",
            ),
            click.option(
                "--fill",
                metavar="COLOR",
                default="127.5",
                show_default=True,
                help='Fill of the patch: a gray level in 0..255, "mean" or "blur"; for '
                'transformers also "drop": the tokens under the patch are left out.',
            ),
            click.option(
                "--fill-space",
                type=click.Choice(["display", "network"]),
                default="display",
                show_default=True,
                help="Units of a number given as --fill: gray levels, or network units.",
            ),
            click.option(
                "--baseline",
                metavar="NAME|GRAY|PHOTO",
                help="Baseline of integrated gradients, guided or not, and layer conductance; and "
                'what masked parts become: "black", "white", "gray", "mean", "blur", a gray level '
                "in 0..255, or a photo.  [default: black; gray for Sobol, KernelSHAP and LIME]",
            ),
            click.option(
                "--fraction",
                type=click.FloatRange(0, 1, min_open=True),
                metavar="SHARE",
                default=0.25,
                show_default=True,
                help="Share of the elements that move together on the path of guided integrated "
                "gradients.",
            ),
            click.option(
                "--max-dist",
                type=click.FloatRange(0, 1),
                metavar="SHARE",
                default=0.02,
                show_default=True,
                help="Largest distance of this path from the straight line.",
            ),
            click.option(
                "--baselines",
                metavar="FOLDER",
                help="Photos that are the baselines of expected gradients.  [default: plain images "
                "from black to white]",
            ),
            click.option(
                "--seed",
                default=0,
                show_default=True,
                help="Random seed of the noise of SmoothGrad and its relatives, of the samples of "
                "expected gradients and of random masks; in check, of the sanity checks too.",
            ),
            functools.partial(
                precision_options,
                precisions=(EXACT, FAST, VERIFIED),
                of=" of methods that run many changed images, and of CAMs of many photos",
            ),
            memory_option,
        )
    ):
        gathered = option(gathered)
    return gathered


def _without_best(methods: tuple[str, ...]) -> tuple[str, ...]:
    if BEST in methods:
        raise click.UsageError("--method best stands alone: leave the other methods out.")
    return methods


def _require_taken(context: click.Context, methods: list[str], fill: float | str) -> None:
    """Raise a UsageError where an option is given that no chosen method takes."""
    given = {name: f"--{name.replace('_', '-')}" for name in TAKEN_BY if is_given(context, name)}
    if context.params.get("fast"):
        given["precision"] = "--fast"
    used = OWN_OPTIONS.get(context.command.name or "", ())
    for name, flag in given.items():
        takers = TAKEN_BY[name]
        if name not in used and not set(takers) & set(methods):
            verb = "do not take" if len(methods) > 1 else "does not take"
            raise click.UsageError(
                f"{', '.join(methods)} {verb} {flag}: add --method {' or '.join(takers)}, or leave "
                f"{flag} out."
            )
    if "fill_space" in given and isinstance(fill, str):
        raise click.UsageError(f"--fill-space needs a number as --fill, not {fill!r}.")


def memory_amount(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """The amount as it was given; InputError if it is none."""
    from optogram.interpreters.memory import allowance

    if value is not None:
        allowance(value)
    return value


def _require_baseline(baseline: float | str | None) -> None:
    """Check that a baseline is a color, or a file that exists."""
    if isinstance(baseline, str) and baseline not in _BASELINES and not os.path.lexists(baseline):
        raise InputError(
            f"baseline must be {', '.join(_BASELINES)}, a gray level in 0..255 or a photo; there "
            f"is no file {baseline!r}."
        )


def memory_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--memory``."""
    return click.option(
        "--memory",
        metavar="SIZE",
        callback=memory_amount,
        help='Memory budget in bytes, or with a unit, such as "2GB".  [default: a quarter of the '
        "free memory]",
    )(command)


def _targets(
    targets: tuple[str, ...], against: str | None, region: str | None, box_format: str | None
) -> ClassesAsked | None:
    """The classes named; None for the highest-scoring class of each photo."""
    if not targets:
        if against or region or box_format:
            raise click.UsageError("--against, --region and --box-format need --target.")
        return None
    return ClassesAsked(
        tuple(map(class_label, targets)),
        None if against is None else class_label(against),
        None if region is None else box(region),
        box_format,
    )


def warn(who: str, result: Any, told: set[str]) -> None:
    """Print the warnings of a result on standard error, each once."""
    for warning in result.warnings:
        if warning not in told:
            told.add(warning)
            say(f"Warning: {who}: {in_options(warning)}", err=True)
