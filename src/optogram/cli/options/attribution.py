"""The options that say which method is asked what, and asking it."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from optogram.cli.console import say
from optogram.cli.options.parsing import box, class_label, number_or_word
from optogram.methods import ATTRIBUTIONS
from optogram.progress import Progress

if TYPE_CHECKING:
    from optogram.network.network import Network
    from optogram.result import Attribution


@dataclass(frozen=True)
class Asked:
    """What the user asks of photos.

    Attributes
    ----------
    methods : list of str
        Each once.
    target : list of Target, or None
        None for each photo's own answer.
    seed, memory
        As given.
    options : mapping
        What methods are given, those that take it.
    """

    methods: list[str]
    target: Any
    seed: int
    memory: str | None
    options: dict[str, Any]

    @property
    def count(self) -> int:
        """How many maps each method makes of a photo."""
        return 1 if self.target is None else len(self.target)

    def ask(self, net: "Network", method: str, image: Any, progress: Progress) -> "Attribution":
        """The result of ``method``."""
        import optogram

        function = getattr(optogram, method)
        taken = inspect.signature(function).parameters
        given = {name: option for name, option in self.options.items() if name in taken}
        return function(net, image, self.target, progress=progress, **given)


def attribution_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `Asked`, which the command gets as one argument, ``asked``."""

    @functools.wraps(command)
    def gathered(
        *,
        methods: tuple[str, ...],
        targets: tuple[str, ...],
        against: str | None,
        region: str | None,
        layer: str | None,
        score: str,
        rectify: bool,
        seed: int,
        memory: str | None,
        patch: int | None,
        stride: int | None,
        margin: int,
        fill: str,
        fill_space: str,
        baseline: str,
        **others: Any,
    ) -> Any:
        options = {
            "layer": layer,
            "score": score,
            "rectify": rectify,
            "seed": seed,
            "memory": memory,
            "patch": patch,
            "stride": stride,
            "margin": margin,
            "fill": number_or_word(fill),
            "fill_space": fill_space,
            "baseline": number_or_word(baseline),
        }
        asked = Asked(_methods(methods), _targets(targets, against, region), seed, memory, options)
        return command(asked=asked, **others)

    for option in reversed(
        (
            click.option(
                "--method",
                "methods",
                multiple=True,
                type=click.Choice([*ATTRIBUTIONS, "all"]),
                default=("gradcam",),
                show_default=True,
                help="What to ask; may be given several times.",
            ),
            click.option(
                "--target",
                "targets",
                metavar="CLASS",
                multiple=True,
                help="A class to explain, by number, name or WordNet id; may be given several "
                "times.  [default: each photo's own answer]",
            ),
            click.option(
                "--against",
                metavar="CLASS",
                help="Explain each target minus this class: why this and not that.",
            ),
            click.option(
                "--region",
                metavar="TOP,LEFT,BOTTOM,RIGHT",
                help="Where a class is explained that a network scores at every position, in "
                "pixels of its output.  [default: everywhere]",
            ),
            click.option(
                "--layer",
                metavar="NAME",
                help="Whose maps, for methods that look at a layer.  [default: the last one that "
                "makes maps]",
            ),
            click.option(
                "--score",
                type=click.Choice(["logit", "probability"]),
                default="logit",
                show_default=True,
                help="What is explained of a class.",
            ),
            click.option(
                "--rectify/--no-rectify",
                default=True,
                show_default=True,
                help="Whether Grad-CAM leaves out the places that speak against the target.",
            ),
            click.option(
                "--patch",
                type=int,
                help="How many pixels of a side occlusion covers.  [default: a seventh]",
            ),
            click.option(
                "--stride",
                type=int,
                help="How far the patch moves, in pixels.  [default: half of it]",
            ),
            click.option(
                "--margin",
                default=0,
                show_default=True,
                help="Pixels covered beyond the patch on every side.",
            ),
            click.option(
                "--fill",
                metavar="COLOR",
                default="127.5",
                show_default=True,
                help='What covers: a gray in 0..255, "mean" or "blur".',
            ),
            click.option(
                "--fill-space",
                type=click.Choice(["display", "network"]),
                default="display",
                show_default=True,
                help="Whether a number given as --fill is a gray, or in units of the network.",
            ),
            click.option(
                "--baseline",
                metavar="NAME|GRAY|PHOTO",
                default="black",
                show_default=True,
                help='Where integrated gradients begin: "black", "white", "gray", "mean", "blur", '
                "a gray in 0..255, or a photo.",
            ),
            click.option(
                "--seed", default=0, show_default=True, help="Of everything that is drawn."
            ),
            memory_option,
        )
    ):
        gathered = option(gathered)
    return gathered


def memory_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--memory``."""
    return click.option(
        "--memory",
        metavar="SIZE",
        help='What the computation may add to the process, as in "2GB".  [default: a quarter of '
        "what is free]",
    )(command)


def _methods(names: tuple[str, ...]) -> list[str]:
    """The methods named, each once; "all" stands for every one."""
    return list(ATTRIBUTIONS) if "all" in names else list(dict.fromkeys(names))


def _targets(targets: tuple[str, ...], against: str | None, region: str | None) -> Any:
    """The targets named; None for each photo's own answer."""
    import optogram

    if not targets:
        if against or region:
            raise click.UsageError("--against and --region need a --target.")
        return None
    where = None if region is None else box(region)
    classes = [optogram.Class(class_label(target), where) for target in targets]
    if against is None:
        return classes
    return [target - optogram.Class(class_label(against), where) for target in classes]


def warn(who: str, result: Any, told: set[str]) -> None:
    """Say a result's warnings on standard error, each once."""
    for warning in result.warnings:
        if warning not in told:
            told.add(warning)
            say(f"Warning: {who}: {warning}", err=True)
