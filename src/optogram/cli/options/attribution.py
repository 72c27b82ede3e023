"""Options of attribution methods, and calling a method with them."""

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
    """The attribution that the user asked for.

    Attributes
    ----------
    methods : list of str
        Names of methods, without duplicates.
    target : list of Target, or None
        None: the highest-scoring class of each photo.
    seed, memory
        As given.
    options : mapping
        Keyword arguments for the methods that take them.
    """

    methods: list[str]
    target: Any
    seed: int
    memory: str | None
    options: dict[str, Any]

    @property
    def count(self) -> int:
        """Number of maps per method and photo."""
        return 1 if self.target is None else len(self.target)

    def ask(self, net: "Network", method: str, image: Any, progress: Progress) -> "Attribution":
        """The result of ``method``."""
        import optogram

        function = getattr(optogram, method)
        taken = inspect.signature(function).parameters
        given = {name: option for name, option in self.options.items() if name in taken}
        return function(net, image, self.target, progress=progress, **given)


def attribution_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `Asked`, which the command receives as ``asked``."""

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
                help="Attribution method; repeatable.",
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
                help="Region of a segmentation output to explain, in pixels of the output.  "
                "[default: all of it]",
            ),
            click.option(
                "--layer",
                metavar="NAME",
                help="Layer, for methods that explain one.  [default: the last one with feature "
                "maps]",
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
                help="Whether Grad-CAM sets negative values to zero.",
            ),
            click.option(
                "--patch",
                type=int,
                help="Side of the occluding patch, in pixels.  [default: a seventh of the image]",
            ),
            click.option(
                "--stride",
                type=int,
                help="Step of the patch, in pixels.  [default: half the patch]",
            ),
            click.option(
                "--margin",
                default=0,
                show_default=True,
                help="Pixels covered around the patch on every side.",
            ),
            click.option(
                "--fill",
                metavar="COLOR",
                default="127.5",
                show_default=True,
                help='Fill of the patch: a gray level in 0..255, "mean" or "blur".',
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
                default="black",
                show_default=True,
                help='Baseline of integrated gradients: "black", "white", "gray", "mean", '
                '"blur", a gray level in 0..255, or a photo.',
            ),
            click.option("--seed", default=0, show_default=True, help="Random seed."),
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
        help='Memory budget in bytes, or with a unit, such as "2GB".  [default: a quarter of the '
        "free memory]",
    )(command)


def _methods(names: tuple[str, ...]) -> list[str]:
    """The methods named, without duplicates; "all" stands for every method."""
    return list(ATTRIBUTIONS) if "all" in names else list(dict.fromkeys(names))


def _targets(targets: tuple[str, ...], against: str | None, region: str | None) -> Any:
    """The targets named; None for the highest-scoring class of each photo."""
    import optogram

    if not targets:
        if against or region:
            raise click.UsageError("--against and --region need --target.")
        return None
    where = None if region is None else box(region)
    classes = [optogram.Class(class_label(target), where) for target in targets]
    if against is None:
        return classes
    return [target - optogram.Class(class_label(against), where) for target in classes]


def warn(who: str, result: Any, told: set[str]) -> None:
    """Print the warnings of a result on standard error, each once."""
    for warning in result.warnings:
        if warning not in told:
            told.add(warning)
            say(f"Warning: {who}: {warning}", err=True)
