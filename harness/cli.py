"""The command `tcpspec`: thin verbs around pytest and the harness. Exit codes are pytest's."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from harness import __version__, looking
from harness.case.selection import Selection

USAGE_ERROR = 4
NOTHING_RAN = 5
DEFAULT_RESULTS = "results"
#: What pytest need not print: the matrix names what is not as expected, by case.
QUIET = ("-q", "--no-header", "-rN")

_VERBS = """verbs:
  run        run the cases (default target: this machine's kernel); takes pytest's options too
  list       print the cases as a tree, with the sections they cite
  explain    print a case's rule, source and expected ladder
  show       run one case and print its ladder, also when it conforms (-v: every header field)
  coverage   print requirement, cases and verdict, and why the others have no case
  grid       export the grid of states and segments, or its documentation
  doctor     check this machine, with hints
  bench      measure cases per CPU second; bench stability: repeat runs and compare the verdicts
  adapter    adapter check COMMAND: test the adapter of a stack, step by step
  build      build a driver that comes with the tool: tcpspec build lwip
  test       run the project's own tests (in a checkout)

examples:
  tcpspec run
  tcpspec run --rfc 9293/3.6 --ip 4
  tcpspec run --case 'time-wait/*' --timers 70
  tcpspec show four-way-close
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="tcpspec",
        description="Tests whether a TCP implementation opens and closes connections as RFC 9293 says.",
        epilog=_VERBS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tcpspec {__version__}")
    parser.add_argument("verb", choices=sorted(VERBS), metavar="VERB")
    if not arguments:
        parser.print_help()
        return USAGE_ERROR
    try:
        verb = parser.parse_args(arguments[:1]).verb
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    try:
        code = VERBS[verb](arguments[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # `tcpspec list | head`: nobody reads on, and the interpreter flushes once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


# --- pytest ----------------------------------------------------------------------------------------------------------


def _testcases() -> Path:
    import testcases

    return Path(testcases.__path__[0])


def _pytest(arguments: Sequence[str], *plugins: object) -> int:
    """Start pytest on the cases with the tool's own settings."""
    import pytest

    folder = _testcases()
    own = ["-c", str(Path(__file__).with_name("run.ini")), "--rootdir", str(folder.parent), "-p", "no:cacheprovider"]
    paths = [] if _names_paths(arguments) else [str(folder), "--ignore", str(folder / "selftest")]
    return int(pytest.main([*own, *paths, *arguments], plugins=list(plugins)))


#: Short options of pytest that take a value.
_WITH_VALUE = frozenset({"-k", "-m", "-n", "-p", "-c", "-o", "-r", "-W"})


def _names_paths(arguments: Sequence[str]) -> bool:
    """Tell whether any argument is a path of tests, and not an option or the value of one."""
    for before, text in zip(["", *arguments], arguments, strict=False):
        value = before in _WITH_VALUE or (before.startswith("--") and "=" not in before)
        if not value and not text.startswith("-") and Path(text.partition("::")[0]).exists():
            return True
    return False


def _collect(arguments: Sequence[str]) -> tuple[int, looking.Collector]:
    collector = looking.Collector()
    code = _pytest(["--collect-only", "-p", "no:terminal", "--timers", "1e9", *arguments], collector)
    for problem in collector.problems:
        print(problem, file=sys.stderr)
    return (code if code != NOTHING_RAN else 0), collector


# --- verbs -----------------------------------------------------------------------------------------------------------


def run(arguments: list[str]) -> int:
    """Run the cases."""
    if any(argument in ("-h", "--help") for argument in arguments):
        return _help_run()
    named = any(argument.split("=")[0] == "--results" for argument in arguments)
    results = [] if named else [f"--results={DEFAULT_RESULTS}"]
    return _pytest([*QUIET, *results, *arguments])


def _help_run() -> int:
    import pytest

    from harness.plugin.options import declare

    parser = pytest.Parser(_ispytest=True)
    declare(parser)
    print("tcpspec run [options of tcpspec] [options of pytest, such as -n 4, -x, -k, --junitxml]\n")
    for group in parser._groups:
        for option in group.options:
            attributes = option.attrs()
            value = attributes.get("metavar") or "|".join(str(choice) for choice in attributes.get("choices", ()))
            print(f"  {' '.join(option.names())} {value}\n      {attributes.get('help', '')}")
    return 0


def list_cases(arguments: list[str]) -> int:
    """Print the cases as a tree."""
    code, collector = _collect(["--ip", "4", *arguments])
    if code:
        return code
    if not collector.items:
        print("no case is selected", file=sys.stderr)
        return NOTHING_RAN
    looking.print_tree([case for case, _item in collector.items])
    return 0


def explain(arguments: list[str]) -> int:
    """Print what a case, or a cell of the grid, is about, without running it."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: tcpspec explain CASE    (tcpspec list prints the cases)", file=sys.stderr)
        return USAGE_ERROR
    if arguments[0].startswith("grid/"):
        return _explain_cell(arguments[0])
    code, collector = _collect(["--ip", "4", "--case", arguments[0]])
    if code:
        return code
    if not collector.items:
        return _no_such_case(arguments[0])
    looking.print_explanation(collector.items)
    return 0


def _explain_cell(cell_id: str) -> int:
    from harness.grid.explain import UnknownCell
    from harness.grid.explain import explain as explain_cell

    try:
        print(explain_cell(cell_id))
    except UnknownCell as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    return 0


def _no_such_case(pattern: str) -> int:
    _code, everything = _collect(["--ip", "4"])
    print(Selection((pattern,)).unknown(case for case, _item in everything.items), file=sys.stderr)
    return USAGE_ERROR


def show(arguments: list[str]) -> int:
    """Run one case and print its ladder."""
    names = [argument for argument in arguments[:1] if not argument.startswith("-")]
    if not names:
        print("usage: tcpspec show CASE [-v] [options of run]    (default: on IPv4)", file=sys.stderr)
        return USAGE_ERROR
    rest = [argument for argument in arguments[1:] if argument not in ("-v", "--verbose")]
    ip = [] if any(argument.split("=")[0] == "--ip" for argument in rest) else ["--ip", "4"]
    shower = looking.Shower(verbose=len(rest) < len(arguments) - 1)
    code = _pytest(["-p", "no:terminal", "--timers", "1e9", "--case", names[0], *ip, *rest], shower)
    for problem in shower.problems:
        print(problem, file=sys.stderr)
    print("\n".join(shower.texts))
    return _no_such_case(names[0]) if code == NOTHING_RAN else code


def doctor(arguments: list[str]) -> int:
    """Check the machine."""
    from rich.console import Console
    from rich.text import Text

    from harness.targets.doctor import Mark, examine

    if arguments:
        print("usage: tcpspec doctor", file=sys.stderr)
        return USAGE_ERROR
    console = Console(highlight=False, soft_wrap=True)
    styles = {Mark.OK: "green", Mark.NOTE: "yellow", Mark.BAD: "bold red"}
    bad = False
    for check in examine():
        bad = bad or check.mark is Mark.BAD
        console.print(Text.assemble((f"{check.mark:<5}", styles[check.mark]), f"{check.title:<16} {check.found}"))
        if check.hint and check.mark is not Mark.OK:
            console.print(f"      {'':<16} {check.hint}")
    return USAGE_ERROR if bad else 0


def coverage(arguments: list[str]) -> int:
    """Print requirement, cases and verdict; exit code 1 if an observable requirement in scope has no case."""
    from harness.report import coverage as report
    from harness.trace import results

    every = "--all" in arguments
    paths = [Path(argument) for argument in arguments if argument != "--all"]
    if any(str(path).startswith("-") for path in paths):
        print("usage: tcpspec coverage [--all] [RESULTS…]    (default: results, if there)", file=sys.stderr)
        return USAGE_ERROR
    if not paths and (Path(DEFAULT_RESULTS) / results.FILE_NAME).exists():
        paths = [Path(DEFAULT_RESULTS)]
    try:
        runs = [results.read(path) for path in paths]
    except results.BrokenResults as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    for run_read in runs:
        if not run_read.complete:
            print(f"{run_read.path}: an incomplete run (it has no footer)", file=sys.stderr)
    code, collector = _collect(["--ip", "4"])
    if code:
        return code
    table = report.rows(collector.cited(), runs)
    report.print_table(looking.wide_console(), table, every=every)
    return 1 if any(row.is_gap for row in table) else 0


def grid(arguments: list[str]) -> int:
    """Export the grid, or its documentation; or show what it can find."""
    from harness.grid import docs, export

    parser = argparse.ArgumentParser(prog="tcpspec grid", description="Writes the grid for other tools, or its page.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every cell with all allowed reactions")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="how to read a cell, open questions, deviations")
    parser.add_argument("--power", action="store_true", help="what it finds: wrong rules, targets that have not moved")
    if not arguments:
        arguments = ["--help"]
    try:
        options = parser.parse_args(arguments)
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    try:
        if options.json:
            print(f"{options.json}: {export.export(options.json)} cells")
        if options.markdown:
            docs.write(options.markdown)
    except OSError as error:
        print(f"tcpspec grid: {error.filename}: {error.strerror}", file=sys.stderr)
        return USAGE_ERROR
    return _grid_power() if options.power else 0


def _grid_power() -> int:
    from harness.case.rig import Rig
    from harness.grid import power
    from harness.targets.linux import LinuxTarget
    from harness.targets.protocol import UnusableTarget

    try:
        rig = Rig(LinuxTarget())
    except UnusableTarget as error:
        print(f"tcpspec grid: {error}", file=sys.stderr)
        return USAGE_ERROR
    with contextlib.closing(rig):
        print(power.prove(rig))
    return 0


def bench(arguments: list[str]) -> int:
    """Measure the engine, or the stability of its verdicts."""
    from harness.bench import speed, stability

    if arguments[:1] == ["stability"]:
        return stability.main(arguments[1:])
    return speed.main(arguments)


def adapter(arguments: list[str]) -> int:
    """Test an adapter itself."""
    from harness.targets import adapter_check

    return adapter_check.main(arguments)


def build(arguments: list[str]) -> int:
    """Build the drivers that come with the tool."""
    from harness.targets import build as drivers
    from harness.targets.protocol import UnusableTarget

    try:
        return drivers.main(arguments)
    except UnusableTarget as error:
        print(f"tcpspec build: {error}", file=sys.stderr)
        return USAGE_ERROR


def test(arguments: list[str]) -> int:
    """Run the project's own tests: its selftests, and all cases with the timers under 15 s."""
    folder = _testcases()
    if not (folder / "selftest").is_dir():
        print("tcpspec test: the project's own tests are only in a checkout of its repository", file=sys.stderr)
        return USAGE_ERROR
    if _names_paths(arguments):
        return _pytest(["-q", "--no-header", *arguments])
    with contextlib.chdir(folder.parent):
        return _pytest(["-q", "--no-header", "--timers", "15", str(folder), *arguments])


VERBS: dict[str, Callable[[list[str]], int]] = {
    "run": run,
    "list": list_cases,
    "show": show,
    "explain": explain,
    "doctor": doctor,
    "coverage": coverage,
    "grid": grid,
    "bench": bench,
    "adapter": adapter,
    "build": build,
    "test": test,
}
