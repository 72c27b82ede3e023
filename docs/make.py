"""Generates parts of the documentation from the code: ``python docs/make.py``.

api.md comes from docstrings, cli.md from the command line. The pictures in images/ come from the
README's example, which the page readme.md runs.
"""

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import optogram
from optogram.cli import main

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"
PICTURES = (
    "why.png",
    "occlusion.png",
    "methods.png",
    "check.png",
    "maps.png",
    "classes.png",
    "filters.png",
)


def api_page() -> str:
    """Every public name with its signature and docstring."""
    parts = ["# API", "", "Written by `python docs/make.py` from the docstrings.", ""]
    for name in optogram.__all__:
        parts += _entry(f"optogram.{name}", getattr(optogram, name))
    return "\n".join(parts)


def _entry(name: str, item: Any) -> list[str]:
    """One name; for a class with its public members, for a module with functions and classes."""
    if isinstance(item, Mapping):
        listed = [f"{key}: {value}" for key, value in item.items()]
        return [f"## {name}", "", "```text", *listed, "```", ""]
    parts = [f"## {name}", "", "```text", name + _parameters(item), "", inspect.getdoc(item) or ""]
    parts += ["```", ""]
    if inspect.isclass(item) or inspect.ismodule(item):
        members = [
            (member, value)
            for member, value in _members(item).items()
            if not member.startswith("_") and _is_own(item, value)
        ]
        if inspect.ismodule(item):  # their order changes as names are replaced and put back
            members.sort(key=lambda pair: inspect.getsourcelines(inspect.unwrap(pair[1]))[1])
        for member, value in members:
            if inspect.isclass(value):
                parts += _entry(f"{name}.{member}", value)
            else:
                parts += [f"### {name}.{member}", "", "```text"]
                parts += [member + _parameters(value), "", inspect.getdoc(value) or "", "```", ""]
    return parts


def _parameters(item: Any) -> str:
    """The signature of a function or class without types, which are in the docstring."""
    is_class = inspect.isclass(item) and not issubclass(item, Exception)
    if not (is_class or inspect.isfunction(item)):
        return ""
    signature = inspect.signature(item)
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
    ]
    text = str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))
    return re.sub(r"<function (\w+) at 0x[0-9a-f]+>", r"\1", text)


def _members(item: Any) -> dict[str, Any]:
    """The members of a module; of a class also those of bases in its room."""
    if not inspect.isclass(item):
        return dict(vars(item))
    room = item.__module__.rpartition(".")[0]
    bases = [base for base in item.__mro__[1:] if base.__module__.rpartition(".")[0] == room]
    shared = bases if room == "optogram.network" else []
    return {name: value for kind in (item, *shared) for name, value in vars(kind).items()}


def _is_own(owner: Any, value: Any) -> bool:
    if inspect.ismodule(owner):
        is_documented = inspect.isfunction(value) or inspect.isclass(value)
        return is_documented and value.__module__ == owner.__name__
    return inspect.isfunction(value) or isinstance(value, property)


def cli_page() -> str:
    """The help of every command."""
    parts = ["# Command line", "", "Written by `python docs/make.py` from the commands' help.", ""]
    settings = {"terminal_width": 80, **main.context_settings}
    with click.Context(main, info_name="optogram", **settings) as parent:
        for name in ["", *main.list_commands(parent)]:
            command = main.get_command(parent, name) if name else main
            context = click.Context(command, parent, name) if name else parent
            title = f"optogram {name}".strip()
            parts += [f"## {title}", "", "```text", command.get_help(context), "```", ""]
    return "\n".join(parts)


def readme_example() -> str:
    """The Python code in the README."""
    return re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[1]


def write() -> None:
    """Write the pages."""
    (DOCS / "api.md").write_text(api_page(), encoding="utf-8")
    (DOCS / "cli.md").write_text(cli_page(), encoding="utf-8")


if __name__ == "__main__":
    write()
