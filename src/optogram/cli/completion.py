"""`optogram completion`: the script for tab completion."""

import os
from pathlib import Path

import click

from optogram.cli.completing.shells import SHELLS, script


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)), required=False)
@click.pass_context
def completion(context: click.Context, shell: str | None) -> None:
    """Print the script for tab completion in SHELL. Default: the shell in $SHELL.

    \b
    bash:  optogram completion bash > ~/.local/share/bash-completion/completions/optogram
           or, in ~/.bashrc:  eval "$(optogram completion bash)"
    zsh:   in ~/.zshrc, after compinit:  eval "$(optogram completion zsh)"
    fish:  optogram completion fish > ~/.config/fish/completions/optogram.fish
    """
    chosen = shell or Path(os.environ.get("SHELL", "")).name
    if chosen not in SHELLS:
        raise click.UsageError(f"Name the shell: {', '.join(SHELLS)}.")
    # Click's echo: the script has more than printable characters.
    click.echo(script(chosen, context.find_root().command), nl=False)
