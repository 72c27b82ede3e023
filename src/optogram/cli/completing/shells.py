"""The scripts for bash, zsh and fish, and how offers are written for each.

Click's own scripts do not quote words with spaces, and split offers at commas.
"""

import os
import re
import shlex
from typing import Any

import click
from click.shell_completion import CompletionItem, ShellComplete, add_completion_class

VARIABLE = "_OPTOGRAM_COMPLETE"
"""Environment variable in which the scripts say what they want."""

_END = "\0"


class _Shell(ShellComplete):
    """Reads the line from ``COMP_LINE``; an error offers nothing."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The complete words after the program's name, and the word to complete."""
        words = _split(self._line() + _END)
        self._incomplete = words.pop().removesuffix(_END)
        return words[1:], self._incomplete

    def complete(self) -> str:
        """One or several lines for each offer."""
        try:
            return super().complete()
        # The user is typing: whatever is wrong, it is not said here.
        except Exception:
            return ""

    def _line(self) -> str:
        return os.environ["COMP_LINE"]


class Bash(_Shell):
    """Completion for bash."""

    name = "bash"
    source_template = """\
%(complete_func)s() {
    local type value
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            path) compopt -o filenames 2>/dev/null ;;
            open) compopt -o nospace 2>/dev/null ;;
            plain) ;;
            *) continue ;;
        esac
        COMPREPLY+=("$value")
    done < <(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}

complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null ||
    complete -F %(complete_func)s %(prog_name)s
"""

    def format_completion(self, item: CompletionItem) -> str:
        """The offer, quoted as the word that it replaces; paths are quoted by bash itself."""
        raw, quote = _last_word(self._line())
        value = item.value
        if quote:
            return f"{item.type},{value if item.type == 'path' else _within(value, quote)}"
        breaks = set(os.environ.get("COMP_WORDBREAKS", "")) - set(" \t\n\"'\\")
        fragment = raw[max((i for i, c in enumerate(raw) if c in breaks), default=-1) + 1 :]
        # Bash replaces only what follows the last of these characters.
        kept = len(self._typed()) - len(_unquoted(fragment))
        value = value[max(0, kept) :]
        if item.type == "path":
            return f"path,{value.rstrip('/') or '/'}"  # bash adds the slash
        return f"{item.type},{_escaped(value)}"

    def _line(self) -> str:
        line, point = os.environ["COMP_LINE"], int(os.environ["COMP_POINT"])
        return line.encode(errors="surrogateescape")[:point].decode(errors="ignore")

    def _typed(self) -> str:
        """What is typed of the value: in ``--layer=conv`` only ``conv``."""
        typed = self._incomplete
        return typed.partition("=")[2] if typed.startswith("-") and "=" in typed else typed


class Zsh(_Shell):
    """Completion for zsh."""

    name = "zsh"
    source_template = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local type value description
    local -a response plain described
    # Any case, and any word of a name.
    local -a matching=(-M 'm:{[:lower:][:upper:]}={[:upper:][:lower:]} l:|=* r:|=*')
    (( $+commands[%(prog_name)s] )) || return 1
    response=("${(@f)$(COMP_LINE="${words[1,CURRENT]}" %(complete_var)s=zsh_complete \\
        %(prog_name)s 2>/dev/null)}")
    [[ $PREFIX == -*=* ]] && compset -P '*='
    for type value description in "${response[@]}"; do
        case $type in
            path|open)
                if [[ $type == open || $value == */ ]]; then
                    compadd -U -S '' -- "$value"
                else
                    compadd -U -- "$value"
                fi ;;
            plain)
                if [[ $description == _ ]]; then
                    plain+=("$value")
                else
                    described+=("${value//:/\\\\:}:$description")
                fi ;;
        esac
    done
    (( $#described )) && _describe -V unsorted described $matching
    (( $#plain )) && compadd -V unsorted $matching -a plain
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

    def format_completion(self, item: CompletionItem) -> str:
        """Type, value and description, a line each."""
        return f"{item.type}\n{item.value}\n{_one_line(item.help) or '_'}"


class Fish(_Shell):
    """Completion for fish."""

    name = "fish"
    source_template = """\
function %(complete_func)s
    set -l line (commandline -cp | string collect)
    COMP_LINE=$line %(complete_var)s=fish_complete %(prog_name)s 2>/dev/null
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""

    def format_completion(self, item: CompletionItem) -> str:
        """The whole word, with the option that precedes it, and the description."""
        option, is_joined, _ = self._incomplete.partition("=")
        is_joined = is_joined if option.startswith("-") else ""
        start = f"{option}=" if is_joined else ""
        return f"{start}{item.value}\t{_one_line(item.help)}".rstrip("\t")


SHELLS: dict[str, type[_Shell]] = {"bash": Bash, "zsh": Zsh, "fish": Fish}


def register() -> None:
    """Have click use these shells in place of its own."""
    for shell in SHELLS.values():
        add_completion_class(shell)


def script(shell: str, main: click.Command) -> str:
    """The completion script for ``shell``."""
    arguments: dict[str, Any] = {}
    return SHELLS[shell](main, arguments, "optogram", VARIABLE).source()


def _split(line: str) -> list[str]:
    """The words of a line, without their quotes; the last quote may be open."""
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words.extend(lexer)
    except ValueError:
        words.append(lexer.token)
    return words


def _unquoted(fragment: str) -> str:
    return _split(fragment + _END)[-1].removesuffix(_END)


def _last_word(line: str) -> tuple[str, str]:
    """The word at the end of a line as it was typed, and the quote that is open there, or ""."""
    start, quote, is_escaped = 0, "", False
    for position, character in enumerate(line):
        if is_escaped:
            is_escaped = False
        elif character == "\\" and quote != "'":
            is_escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character.isspace():
            start = position + 1
    return line[start:], quote


def _within(value: str, quote: str) -> str:
    """``value`` after an opening quote."""
    return value.replace("'", "'\\''") if quote == "'" else re.sub(r'([\\"$`])', r"\\\1", value)


def _escaped(value: str) -> str:
    """``value`` as a word of bash."""
    return re.sub(r"([^\w@%+=:,./-])", r"\\\1", value)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
