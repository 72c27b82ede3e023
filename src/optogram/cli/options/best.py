"""The option `--evaluation`: the best method of an evaluation, with its arguments."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optogram.cli.console import say
from optogram.cli.options.attribution import BEST, Asked
from optogram.cli.options.parsing import is_given
from optogram.errors import InputError
from optogram.files import kind_at

if TYPE_CHECKING:
    from optogram.network.network import Network

NAME = "evaluation"
"""Stem of the files that optogram evaluate writes."""
_DEFAULT = f"evaluated/{NAME}.npz"


def best_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--evaluation``."""
    return click.option(
        "--evaluation",
        metavar="FILE.npz",
        default=_DEFAULT,
        show_default=True,
        help="Evaluation that --method best takes its method from, made by optogram evaluate.",
    )(command)


def require_evaluation(context: click.Context, asked: Asked, evaluation: str) -> None:
    """Raise an error, before the network is opened, if there is no evaluation, or no use for it."""
    if asked.methods != [BEST]:
        if is_given(context, "evaluation"):
            raise click.UsageError("--evaluation needs --method best.")
        return
    if asked.layers:
        raise click.UsageError("best has the layer of its evaluation: leave --layer out.")
    if kind_at(Path(evaluation)) != "file":
        raise InputError(
            f"--method best: there is no evaluation at {evaluation}. Make one with optogram "
            "evaluate PHOTOS, with the same --model, or name it as --evaluation."
        )


def with_best(context: click.Context, asked: Asked, evaluation: str, net: "Network") -> Asked:
    """``asked`` with the best method of the evaluation in place of "best".

    Raises
    ------
    InputError
        If the file is no evaluation, is of another network, or ranks no method.
    """
    if asked.methods != [BEST]:
        return asked
    from optogram.evaluating.plan import mark_of_network
    from optogram.result import Evaluation, load_result

    found = load_result(evaluation)
    if not isinstance(found, Evaluation):
        raise InputError(f"{evaluation} is no evaluation: give one that optogram evaluate made.")
    if mark_of_network(net, found.parameters["size"]) != found.network_mark:
        raise InputError(
            f"{evaluation} is of another network ({found.provenance.get('network')}, or other "
            f"weights or preprocessing than {net.name} here): evaluate this one, or name another "
            "file as --evaluation."
        )
    if found.best is None:
        raise InputError(f"{evaluation}: {found.sentence}")
    options = found.arguments_of(found.best)
    if lost := next((name for name, one in options.items() if isinstance(one, dict)), None):
        raise InputError(
            f"{evaluation}: {found.best} was given a photo or an array as {lost}, which is not "
            f"kept: give --method {found.best} and that option."
        )
    layer = options.pop("layer", None)
    if is_given(context, "score"):
        options["score"] = asked.options["score"]
    say(f"Best method of {evaluation}: {found.best}.")
    return replace(
        asked, methods=[found.best], options=options, layers=() if layer is None else (layer,)
    )
