"""The options `--precision` and `--fast`."""

import functools
from collections.abc import Callable
from typing import Any

import click

EXACT, FAST, VERIFIED = "exact", "fast", "fast+verify"


def precision_options(
    command: Callable[..., Any], precisions: tuple[str, ...] = (EXACT, FAST), of: str = ""
) -> Callable[..., Any]:
    """Add ``--precision`` and ``--fast``, which the command receives as ``precision``.

    ``of`` says in the help what they apply to.
    """

    @functools.wraps(command)
    def gathered(*, precision: str, fast: bool, **others: Any) -> Any:
        if fast and precision != EXACT:
            raise click.UsageError(f"--fast is --precision {FAST}: give one of them.")
        return command(precision=FAST if fast else precision, **others)

    verified = (
        f" {VERIFIED}, for occlusion: the cells that decide are computed again, exactly."
        if VERIFIED in precisions
        else ""
    )
    options = (
        click.option(
            "--precision",
            type=click.Choice(precisions),
            default=EXACT,
            show_default=True,
            help=f"Precision{of}. fast: where that is faster, large products of the network in "
            f"bfloat16, and normalizations folded into convolutions.{verified}",
        ),
        click.option("--fast", is_flag=True, help=f"The same as --precision {FAST}."),
    )
    for option in reversed(options):
        gathered = option(gathered)
    return gathered
