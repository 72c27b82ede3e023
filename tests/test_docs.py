"""The documentation says what the code does: every public name, option and command."""

import ast
import contextlib
import importlib.util
import inspect
import re
import shlex
from pathlib import Path

import click
import pytest

import optogram
from optogram.cli import main

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent
PUBLIC_FUNCTIONS = [
    name for name in optogram.__all__ if inspect.isfunction(getattr(optogram, name))
]


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("make", ROOT / "docs" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands() -> dict[str, click.Command]:
    context = click.Context(main)
    return {name: main.get_command(context, name) for name in main.list_commands(context)}


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_the_api_page_is_what_the_docstrings_say(make):
    assert read("docs/api.md") == make.api_page(), "run python docs/make.py"


def test_the_command_line_page_is_what_the_commands_say(make):
    assert read("docs/cli.md") == make.cli_page(), "run python docs/make.py"


@pytest.mark.parametrize("name", PUBLIC_FUNCTIONS)
def test_every_parameter_of_a_public_function_is_described(name):
    function = getattr(optogram, name)
    for parameter in inspect.signature(function).parameters:
        described = re.search(rf"^ *(\*\*|.*, )?{parameter}\b[^\n]*$\n +\S", function.__doc__, re.M)
        assert described, f"{name}({parameter}) is not in the docstring"
    assert "Returns\n" in function.__doc__


def test_every_public_name_has_a_docstring():
    for name in optogram.__all__:
        assert inspect.getdoc(getattr(optogram, name)), name


def test_every_option_has_a_help_text():
    for name, command in commands().items():
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.name}"


def test_the_readme_names_every_command_and_every_method():
    readme = read("README.md")
    for name in commands():
        assert f"optogram {name}" in readme
    for name in PUBLIC_FUNCTIONS:
        assert f"og.{name}" in readme, name


PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]


def commands_on(page: str) -> list[str]:
    """The commands in blocks of shell, and those quoted in sentences and tables."""
    text = read(page)
    lines = "".join(re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)).splitlines()
    quoted = re.findall(r"`(optogram [a-z]+ [^`]+)`", text)
    given = [re.split("#| > | [|] ", line)[0] for line in lines if line.startswith("optogram ")]
    return given + quoted


def test_commands_on_pages_can_be_given():
    """Their names and options are known; nothing is run."""
    given = [command for page in PAGES for command in commands_on(page)]
    assert len(given) > 30
    for words in map(shlex.split, given):
        with click.Context(main) as parent:
            command = main.get_command(parent, words[1])
            assert command, words
            command.make_context(words[1], words[2:], parent=parent)


def test_calls_for_users_of_other_libraries_have_arguments_that_exist():
    """Each call in the tables binds to the signature of its function; nothing is run."""
    page = re.sub("```.*?```", "", read("docs/other_libraries.md"), flags=re.S)
    quoted = re.findall(r"`([^`]*)`", page)
    called = [
        node
        for text in quoted
        if text.startswith(("og.", "result.")) and "…" not in text
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
    ]
    assert len(called) > 15
    kinds = (
        optogram.Attribution,
        optogram.Maximization,
        optogram.Concepts,
        optogram.Factorization,
    )
    for call in called:
        place, name = call.func.value.id, call.func.attr
        if place == "og":
            function = getattr(optogram, name)
        else:
            function = next(getattr(kind, name) for kind in kinds if hasattr(kind, name))
        own = ["self"] if place == "result" else []
        named = {keyword.arg: None for keyword in call.keywords}
        signature = inspect.signature(function)
        signature.bind(*own, *call.args, **named)
        if name == "maximize":
            fields = {*signature.parameters, *inspect.signature(optogram.Recipe).parameters}
            assert named.keys() <= fields


@pytest.mark.parametrize("page", PAGES)
def test_blocks_of_python_can_be_parsed(page):
    """Sphinx colors them, and stops where it cannot."""
    for block in re.findall(r"^```python\n(.*?)^```", read(page), re.M | re.S):
        ast.parse(block)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_and_named_files_exist(page):
    text = read(page)
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target
    for target in re.findall(r"`((?:network|methods|backend|tests|src)/[\w/.]+\.py)`", text):
        assert (ROOT / target).exists() or (ROOT / "src/optogram" / target).exists(), target


def test_the_ci_runs_the_line_of_the_readme():
    line = re.search(r"^python3 -m venv .*nox$", read("README.md"), re.M)[0]
    assert line in read(".ci/run").splitlines()


@pytest.mark.full  # the documentation runs it, too
def test_the_example_of_the_readme_runs(make, tmp_path, capsys):
    with contextlib.chdir(tmp_path):
        exec(compile(make.readme_example(), "README.md", "exec"), {})
    assert all((tmp_path / name).stat().st_size > 1000 for name in make.PICTURES)
    assert "Egyptian cat" in capsys.readouterr().out


UNUSED_WORDS = re.compile(
    r"somebody else|of everything that is drawn|be believed|white paper|no way up|honest file"
    r"|may add to the process|tutorial row|colour|centre\b",
    re.IGNORECASE,
)


def test_the_words_are_those_of_the_field():
    """Phrases that were replaced by terms of the field, and other spellings."""
    files = [ROOT / "README.md", *(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.j2")]
    files += [path for path in (ROOT / "docs").rglob("*") if path.suffix in (".md", ".py")]
    generated = {ROOT / "docs" / "api.md", ROOT / "docs" / "cli.md"}
    found = {path.name: UNUSED_WORDS.findall(path.read_text()) for path in {*files} - generated}
    # Saved results of earlier versions are read in the words that they had.
    assert {name for name, words in found.items() if words} <= {"base.py"}
