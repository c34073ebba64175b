"""The README's commands exist and select something; its pictures have the shape of what the tool prints."""

import re
import shlex
from pathlib import Path

import pytest

from harness import cli
from harness.stack.defects import DEFECTS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line.partition("#")[0]) for line in re.findall(r"^ {4}(?:\./)?tcpspec (.+)$", README, re.MULTILINE)
] + [shlex.split(text) for text in re.findall(r"`(?:\./)?tcpspec ([a-z]+(?: [^`]+)?)`", README)]
#: Words that stand for something in running text.
_PLACEHOLDERS = {"CASE", "FILE"}


def _shown() -> list[list[str]]:
    return [command for command in COMMANDS if command and not _PLACEHOLDERS & set(command)]


def test_the_readme_shows_the_two_commands_first() -> None:
    assert [command[0] for command in COMMANDS[:2]] == ["run", "test"]


@pytest.mark.parametrize("command", _shown(), ids=" ".join)
def test_a_command_of_the_readme_is_one(command: list[str]) -> None:
    assert command[0] in cli.VERBS


@pytest.mark.parametrize("command", [item for item in _shown() if item[0] in ("run", "show", "explain")], ids=" ".join)
def test_a_command_of_the_readme_selects_cases(command: list[str]) -> None:
    verb, *options = command
    if verb == "run":
        workers = {at + offset for at, option in enumerate(options) if option == "-n" for offset in (0, 1)}
        options = [option for at, option in enumerate(options) if at not in workers]
        options = [option for option in options if not option.startswith("--junitxml")]
    else:
        options = ["--case", options[0]]
    if "my/cases/" in command:
        return
    code, collector = cli._collect(options)
    assert code == 0, collector.problems
    assert collector.items


def test_the_defects_that_it_names_exist() -> None:
    named = {word for command in _shown() if command[0] == "mutate" for word in command[1:] if word[0] != "-"}
    assert named
    assert named <= set(DEFECTS)


def test_the_readme_holds_no_placeholder() -> None:
    assert "@@" not in README


def test_its_case_is_the_one_of_the_testcases() -> None:
    file = ROOT / "testcases" / "simultaneous_close" / "test_figure_13.py"
    body = re.search(r"( {4}target\.shutdown\(\).*?TIME_WAIT\)\n)", file.read_text(encoding="utf-8"), re.DOTALL)
    assert body is not None
    indented = "".join(f"    {line}\n" for line in body.group(1).splitlines())
    assert indented in README
