"""The commands of the README and of the manual's pages exist and select something; links and anchors lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest

from harness import cli
from harness.manual import pages
from harness.stack.defects import DEFECTS
from harness.verbs import starting

ROOT = Path(__file__).resolve().parents[3]
#: The pages that people write; the others are generated, and tested with what generates them.
_GENERATED = {"GRID.md", "DEFECTS.md"}
PAGES = [ROOT / "README.md", *sorted({page.path for page in pages.PAGES.values() if page.path.name not in _GENERATED})]
README = PAGES[0].read_text(encoding="utf-8")
_BLOCK = re.compile(r"^ {4}(?:\$ )?(?:\./)?tcpspec (.+)$", re.MULTILINE)
_SPAN = re.compile(r"`(?:\./)?tcpspec ([a-z]+(?: [^`]+)?)`")
#: Words that stand for something in running text.
_PLACEHOLDERS = {"CASE", "FILE", "TASK"}


def _commands(text: str) -> list[list[str]]:
    lines = [line.partition(" #")[0].rstrip("\\ ") for line in _BLOCK.findall(text)]
    return [shlex.split(line) for line in [*lines, *_SPAN.findall(text)] if line.count("'") % 2 == 0]


def _shown() -> list[list[str]]:
    found = [command for path in PAGES for command in _commands(path.read_text(encoding="utf-8"))]
    return [list(words) for words in dict.fromkeys(map(tuple, found)) if words and not _PLACEHOLDERS & {*words}]


def test_the_readme_shows_the_two_commands_first() -> None:
    assert [command[0] for command in _commands(README)[:2]] == ["run", "test"]


def test_the_readme_is_read_in_five_minutes() -> None:
    assert len(README.splitlines()) < 160


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.+)$", text, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("http"):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("command", _shown(), ids=" ".join)
def test_a_command_of_the_readme_is_one(command: list[str]) -> None:
    assert command[0] in cli.VERBS


@pytest.mark.parametrize("command", [item for item in _shown() if item[0] in ("run", "show", "explain")], ids=" ".join)
def test_a_command_of_the_readme_selects_cases(command: list[str]) -> None:
    verb, *options = command
    if verb == "run":
        options = _chosen(options)
        workers = {at + offset for at, option in enumerate(options) if option == "-n" for offset in (0, 1)}
        options = [option for at, option in enumerate(options) if at not in workers]
        options = [option for option in options if not option.startswith("--junitxml")]
    else:
        options = [options[0]] if options[0].endswith(".pkt") else ["--case", options[0]]
    if "--lf" in options or "--ff" in options:
        return
    if "my/cases/" in command:
        return
    if (
        command != ["run"]
        and not _CHOOSING & {*options}
        and not any(option.endswith((".pkt", "/pkt")) for option in options)
    ):
        options += ["--case", "sanity/*"]  # one whole collection is enough: that of a plain run, without an option
    code, collector = starting.collect(options)
    assert code == 0, collector.problems
    assert collector.items


def _chosen(options: list[str]) -> list[str]:
    """Return the options that choose cases here: not those of another machine or run, or of a target that is built."""
    ours = []
    after = ""
    for option in options:
        elsewhere = after in ("--tx", "--dist", "--expectations", "--results") or option in _ELSEWHERE
        if not elsewhere and option not in ("--tx", "--dist", "--expectations", "--results"):
            ours.append(option)
        after = option
    return ours


#: Options that say which cases.
_CHOOSING = {"--case", "--rfc", "--requirement"}
#: Options that need something which is not there when the page is tried.
_ELSEWHERE = {"--drafts", "--tap", "--ktap"}


def test_the_defects_that_it_names_exist() -> None:
    named = {word for command in _shown() if command[0] == "mutate" for word in command[1:] if re.match(r"D\d", word)}
    assert named
    assert named <= set(DEFECTS)


def test_the_readme_holds_no_placeholder() -> None:
    assert not [path for path in PAGES if "@@" in path.read_text(encoding="utf-8")]


def test_its_case_is_the_one_of_the_testcases() -> None:
    file = ROOT / "testcases" / "simultaneous_close" / "test_figure_13.py"
    body = re.search(r"( {4}target\.shutdown\(\).*?TIME_WAIT\)\n)", file.read_text(encoding="utf-8"), re.DOTALL)
    assert body is not None
    indented = "".join(f"    {line}\n" for line in body.group(1).splitlines())
    assert indented in (ROOT / "harness" / "case" / "CASES.md").read_text(encoding="utf-8")
