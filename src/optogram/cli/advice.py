"""Advice of the library in the words of the command line: ``points=320`` is ``--points 320``."""

import re

import click

_FORMS = (
    (r'fixed=\{"(?P<input>[^"]*)": (?P<what>[^}]*)\}', r"--fixed \g<input>=NUMBERS (\g<what>)"),
    (
        r"(?:Class|Box)\((?P<label>[^,()]*), region=\(top, left, bottom, right\)\)",
        r"--target \g<label> --region TOP,LEFT,BOTTOM,RIGHT",
    ),
    (r"size=\(height, width\)", "--size HEIGHTxWIDTH"),
    (r'(?<!\w)format="xyxy"', "--box-format xyxy"),
)
"""Advice that options spell in another way, and how they do: each needs its last option."""

_VALUE = r"""(?P<value>"[^"]*"|'[^']*'|[^\s,;:()]*[^\s,;:().])"""


def in_options(text: str, command: click.Command | None = None) -> str:
    """``text`` with arguments of Python named as the options of the running command.

    Only arguments that the command has an option for are renamed.
    """
    if command is None:
        context = click.get_current_context(silent=True)
        command = context.command if context else None
    flags = _flags(command)
    if not flags:
        return text
    names = "|".join(sorted(map(re.escape, flags), key=len, reverse=True))

    def assigned(match: re.Match[str]) -> str:
        option, value = flags[match["name"]], match["value"]
        return option if value == "True" else f"{option} {value or ''}".rstrip()

    for form, spelled in _FORMS:
        if re.findall(r"--([a-z-]+)", spelled)[-1].replace("-", "_") in flags:
            text = re.sub(form, spelled, text)
    text = re.sub(rf"(?<![\w.])(?<!in Python: )(?P<name>{names})={_VALUE}?", assigned, text)
    text = re.sub(rf"^(?P<name>{names})(?= (?:must|is|needs)\b)", lambda m: flags[m["name"]], text)
    # A name with an underscore is no word of a sentence.
    return re.sub(
        rf"(?<![\w.'\"=-])(?P<name>{names})(?![\w'\"=(-]|\.\w)",
        lambda m: flags[m["name"]] if "_" in m["name"] else m["name"],
        text,
    )


def _flags(command: click.Command | None) -> dict[str, str]:
    """The options by the names of arguments of Python, as ``--fill-space`` by ``fill_space``."""
    options = [
        flag
        for parameter in (command.params if command else ())
        if isinstance(parameter, click.Option)
        for flag in parameter.opts
        if flag.startswith("--")
    ]
    return {flag[2:].replace("-", "_"): flag for flag in options}
