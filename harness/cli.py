"""The command `tcpspec`: thin verbs around pytest and the harness. Exit codes are pytest's."""

import argparse
import contextlib
import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness import __version__, looking, tools
from harness.manual import examples
from harness.tools import USAGE_ERROR

if TYPE_CHECKING:
    from harness.mutate.script import Script

NOTHING_RAN = 5
DEFAULT_RESULTS = "results"
#: What pytest need not print: the matrix names what is not as expected, by case.
QUIET = ("-q", "--no-header", "-rN", "-p", "harness.plugin.progress")

_VERBS = """verbs:
  run        run the cases (default target: this machine's kernel); takes pytest's options too
  list       print the cases as a tree, with the sections they cite
  explain    print a case's rule, source and expected ladder (--svg: the ladder as a drawing)
  show       run one case and print its ladder, also when it conforms (-v: every header field)
  report     write one HTML file of one or several runs: matrix, ladders, state diagrams, facts
  compare    print what differs between runs, or run several targets and compare them
  matrix     print one table over runs: groups of cases and targets
  merge      put the results of all shards of a run together (run --shard 3/8)
  docs       draw the README's pictures from a live run
  coverage   print requirement, cases and verdict, and why the others have no case
  grid       export the grid of states and segments, or its documentation
  mutate     run the cases on stacks with one known defect each: does the suite notice?
  variants   run the cases on stacks that are correct, but different: none may fail
  explore    play generated conversations, judged by the rules from end to end
  pkt        pkt coverage DIR: which packetdrill scripts can be played, and what they want most
  fuzz       play the same random sequences on two targets, and explain or report every difference
  learn      learn what a stack really does, as a machine: a picture, a difference, a test
  doctor     check this machine, with hints (--clean: remove containers that a crash has left)
  bench      measure cases per CPU second; bench stability: repeat runs and compare the verdicts
  adapter    adapter check COMMAND: test the adapter of a stack, step by step
  declare    draft an expectations file from a run, or bring one up to date
  build      build a driver or an image that comes with the tool: tcpspec build linux
  kernels    list the kernels that are built, and those that can be
  test       run the project's own tests (in a checkout): the quick ones, or --all, or those of a PATH
  help       print a page of the manual: tcpspec help TASK
  completion print what makes bash, zsh or fish complete verbs, cases and targets

examples:
  tcpspec run
  tcpspec run --rfc 9293/3.6 --ip 4
  tcpspec run --case 'time-wait/*' --timers 70
  tcpspec show four-way-close

"""

#: Options of pytest that a run of cases is used with.
_OF_PYTEST = """pytest's options work too, among them:
  -n 4 | --tx ssh=host//python=python3 --dist load   workers here, or on other machines
  -k EXPRESSION, -m EXPRESSION, --deselect ID        choose by name
  -x, --maxfail N, --durations N, --co, -v, -p       stop early, what was slow, collect only, more words, plugins
  --junitxml=FILE, --tb=no                           JUnit's XML; no ladders"""

#: Of the verbs without an argparse of their own; `run` and `test` print pytest's.
USAGES = {
    "list": "tcpspec list [options of run that choose]",
    "explain": "tcpspec explain CASE|SCRIPT.pkt [--svg | --pkt]    (tcpspec list prints the cases)",
    "show": "tcpspec show CASE|SCRIPT.pkt [-v] [options of run]    (default: on IPv4)",
    "doctor": tools.DOCTOR_USAGE,
    "help": "tcpspec help TASK",
    "completion": "tcpspec completion bash|zsh|fish",
    "test": "tcpspec test [--all] [PATH…] [options of pytest]    (in workers, as many as there are processors)",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="tcpspec",
        description="Tests whether a TCP implementation opens and closes connections as RFC 9293 says.",
        epilog=_VERBS + examples.EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tcpspec {__version__}")
    parser.add_argument("verb", choices=sorted({*VERBS, *_UNLISTED}), metavar="VERB")
    if not arguments:
        parser.print_help()
        return USAGE_ERROR
    try:
        verb = parser.parse_args(arguments[:1]).verb
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    asks = bool({"-h", "--help"} & {*arguments[1:]})
    try:
        if asks and verb in USAGES:
            print(f"usage: {USAGES[verb]}")
            code = 0
        else:
            code = {**VERBS, **_UNLISTED}[verb](arguments[1:])
        if asks and verb in examples.EXAMPLES:
            print(f"\n{examples.of(verb)}")
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
    gc.set_threshold(50_000)  # imports and collecting make nothing that could be freed
    import pytest

    from harness.plugin import machines

    if machines.are_named(arguments) and not _names_paths(arguments):
        return int(pytest.main(machines.command_line(arguments), plugins=list(plugins)))
    folder = _testcases()
    own = ["-c", str(Path(__file__).with_name("run.ini")), "--rootdir", str(folder.parent), "-p", "no:cacheprovider"]
    own += ["-p", "no:hypothesispytest"]  # it imports hypothesis, which no case uses
    paths = [] if _names_paths(arguments) else [str(folder), "--ignore", str(folder / "selftest")]
    return int(pytest.main([*own, *paths, *arguments], plugins=list(plugins)))


#: Short options of pytest that take a value.
_WITH_VALUE = frozenset({"-k", "-m", "-n", "-p", "-c", "-o", "-r", "-W"})


def _names_paths(arguments: Sequence[str]) -> bool:
    """Tell whether any argument is a path of tests, and not an option or the value of one."""
    for before, text in zip(["", *arguments], arguments, strict=False):
        path = text.partition("::")[0]
        value = before in _WITH_VALUE or (before.startswith("--") and "=" not in before and not path.endswith(".py"))
        if not value and not text.startswith("-") and Path(path).exists():
            return True
    return False


def _collect(arguments: Sequence[str]) -> tuple[int, looking.Collector]:
    """Collect the cases that somebody wrote; generated conversations where the arguments ask for them."""
    collector = looking.Collector()
    every = ["--collect-only", "-p", "no:terminal", "--timers", "1e9", "--explore", "off"]
    code = _pytest([*every, *arguments], collector)
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
    from harness.plugin import again

    return again.run(_pytest, [*QUIET, *results, *arguments])


def _help_run() -> int:
    import pytest

    from harness.plugin import habits, options, tap

    parser = pytest.Parser(_ispytest=True)
    options.declare(parser)
    tap.declare(parser)
    habits.declare(parser, cached=False)
    print("tcpspec run [options of tcpspec] [options of pytest, such as -n 4, -x, -k, --junitxml]\n")
    for group in parser._groups:
        for option in group.options:
            attributes = option.attrs()
            value = attributes.get("metavar") or "|".join(str(choice) for choice in attributes.get("choices") or ())
            print(f"  {' '.join(option.names())} {value}\n      {attributes.get('help', '')}")
    print(f"\n{_OF_PYTEST}\n\n{examples.EXIT_CODES.rstrip()}")
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
    names = [argument for argument in arguments if argument not in ("--svg", "--pkt")]
    drawn, scripted = "--svg" in arguments, "--pkt" in arguments
    if len(names) != 1 or names[0].startswith("-"):
        print(f"usage: {USAGES['explain']}", file=sys.stderr)
        return USAGE_ERROR
    if scripted and not _is_script(names[0]):
        return _write_script(names[0])
    if names[0].startswith("grid/"):
        return _explain_cell(names[0])
    if _is_script(names[0]):
        return _explain_script(Path(names[0]))
    code, collector = _collect(["--ip", "4", "--grid", "off", "--case", names[0]])
    if code:
        return code
    scenarios = [(case, item) for case, item in collector.items if case.group != "grid"]
    if not scenarios:
        return _no_such_case(names[0])
    if drawn:
        print(looking.drawn_explanation(*scenarios[0]))
        return 0
    looking.print_explanation(scenarios)
    return 0


def _write_script(name: str) -> int:
    """Print a case as a script of packetdrill: what happens in it on the reference stack, or should."""
    keeper = looking.Keeper()
    grid = ["--grid", "full"] if name.startswith("grid/") else []
    played = ["--case", name, "--target", "reference", "--ip", "4", "--no-expectations", "--maxfail", "1", *grid]
    code = _pytest(["-p", "no:terminal", "--timers", "1e9", *played], keeper)
    if code == NOTHING_RAN:
        return _no_such_case(name)
    if keeper.text:
        print(keeper.text, end="")
        return 0
    code, collector = _collect(["--ip", "4", "--grid", "off", "--case", name])
    scenarios = [(case, item) for case, item in collector.items if hasattr(item, "obj")]
    if code or not scenarios:
        print(f"{name}: the reference stack can't play it, and nothing else says what happens in it", file=sys.stderr)
        return code or USAGE_ERROR
    print(looking.scripted_explanation(*scenarios[0]), end="")
    return 0


def _is_script(name: str) -> bool:
    """Tell whether a name is that of a packetdrill script, which need not be there."""
    return name.endswith(".pkt")


def _explain_script(path: Path) -> int:
    from harness.pkt import explain as scripts
    from harness.pkt import run as reading
    from harness.pkt.scanner import BadScript

    try:
        print(scripts.explain(reading.load(path)))
    except BadScript as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
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
    from harness.case.selection import Selection

    _code, everything = _collect(["--ip", "4"])
    problem = Selection((pattern,)).unknown(case for case, _item in everything.items)
    print(problem or f"the options leave out all cases of {pattern!r}", file=sys.stderr)
    return USAGE_ERROR if problem else NOTHING_RAN


def show(arguments: list[str]) -> int:
    """Run one case and print its ladder."""
    names = [argument for argument in arguments[:1] if not argument.startswith("-")]
    if not names:
        print(f"usage: {USAGES['show']}", file=sys.stderr)
        return USAGE_ERROR
    rest = [argument for argument in arguments[1:] if argument not in ("-v", "--verbose")]
    named = any(argument.split("=")[0] == "--ip" for argument in rest)
    ip = [] if named or _is_script(names[0]) else ["--ip", "4"]
    which = [names[0]] if _is_script(names[0]) else ["--case", names[0]]
    shower = looking.Shower(verbose=len(rest) < len(arguments) - 1)
    code = _pytest(["-p", "no:terminal", "--timers", "1e9", *which, *ip, *rest], shower)
    for problem in shower.problems:
        print(problem, file=sys.stderr)
    print("\n".join(shower.texts))
    return _no_such_case(names[0]) if code == NOTHING_RAN and not _is_script(names[0]) else code


def mutate(arguments: list[str]) -> int:
    """Run the cases on stacks with one known defect each."""
    from harness.mutate import command

    return command.main(arguments, _scripts)


def variants(arguments: list[str]) -> int:
    """Run the cases on stacks that are correct, but different."""
    from harness.mutate import variants_command

    return variants_command.main(arguments, _scripts)


def _scripts(options: Sequence[str], patterns: Sequence[str]) -> tuple[int, "list[Script]"]:
    """Collect cases that can be played in this process; an exit code that is not 0 has said why."""
    from harness.case.selection import Selection

    code, collector = _collect([*options, *(f"--case={pattern}" for pattern in patterns)])
    taken = [case for case, _item in collector.items]
    lost = [pattern for pattern in patterns if Selection((pattern,)).unknown(taken)]
    return (_no_such_case(lost[0]) if lost and not code else code), collector.scripts()


def coverage(arguments: list[str]) -> int:
    """Print requirement, cases and verdict; exit code 1 if an observable requirement in scope has no case.

    With --lines: which lines of lwIP's TCP the suite executes.
    """
    if "--lines" in arguments:
        from harness.bench import lines

        return lines.main([argument for argument in arguments if argument != "--lines"], run)
    from harness.report import coverage_command

    def collect() -> tuple[int, coverage_command.Cited]:
        code, collector = _collect(["--ip", "4", "--grid", "full"])
        return code, {case.case_id: case.meta.citations() for case, _item in collector.items}

    return coverage_command.main(arguments, looking.wide_console(), collect)


def compare(arguments: list[str]) -> int:
    """Print what differs between runs; with --target, run the cases on these first."""
    from harness.report.compare import command

    options = command.parse(arguments)
    if isinstance(options, int):
        return options
    if options.target:
        targets = [f"--target={name}" for name in options.target]
        code = _pytest([*QUIET, f"--results={options.results}", *targets, *options.rest])
        if code not in (0, 1):
            return code
        options.files = [options.results]
    return command.report(options, looking.wide_console())


def docs(arguments: list[str]) -> int:
    """Draw the README's pictures from a live run."""
    from harness.report import pictures

    return pictures.main(arguments, _pytest)


#: What `tcpspec test` leaves out unless it is asked for `--all`: selftests/conftest.py says which these are.
QUICK_TESTS = ("-m", "not slow")


def test(arguments: list[str]) -> int:
    """Run the project's own tests: the quick selftests and all cases; with --all every selftest, and timers to 15 s."""
    folder = _testcases()
    if not (folder / "selftest").is_dir():
        print("tcpspec test: the project's own tests are only in a checkout of its repository", file=sys.stderr)
        return USAGE_ERROR
    every = "--all" in arguments
    rest = [argument for argument in arguments if argument != "--all"]
    if _names_paths(rest):
        return _pytest([*rest, "-q", "--no-header"])
    own = ["-q", "--no-header"]
    if not any(argument.startswith(("-n", "--numprocesses", "--pdb", "--tx")) for argument in rest):
        own += ["-n", "auto"]
    if every:
        own += ["--timers", "15"]
    elif not any(argument in ("-m", "-k") for argument in rest):
        own += QUICK_TESTS
    with contextlib.chdir(folder.parent):
        code = _pytest([*own, str(folder), *rest])
    if not every and code == 0:
        print("these were the quick ones; tcpspec test --all runs them all")
    return code


def manual(arguments: list[str]) -> int:
    """Print a page of the manual."""
    from harness.manual import pages

    if len(arguments) != 1 or arguments[0] not in pages.PAGES:
        unknown = f"there is no page {' '.join(arguments)!r}; " if arguments else ""
        print(f"{unknown}usage: {USAGES['help']}\n\ntasks:\n{pages.listing()}", file=sys.stderr if unknown else None)
        return USAGE_ERROR if unknown else 0
    print(pages.PAGES[arguments[0]].path.read_text(encoding="utf-8"), end="")
    return 0


def completion(arguments: list[str]) -> int:
    """Print the completion of a shell."""
    from harness.manual.completion import SCRIPTS

    if len(arguments) != 1 or arguments[0] not in SCRIPTS:
        print(f"usage: {USAGES['completion']}", file=sys.stderr)
        return USAGE_ERROR
    print(SCRIPTS[arguments[0]], end="")
    return 0


def complete(arguments: list[str]) -> int:
    """Print what may stand at the end of a command line: for the completions."""
    import testcases
    from harness.manual.completion import candidates, case_names

    folders = [Path(folder) for folder in testcases.__path__]
    for word in candidates(arguments[0] if arguments else "", VERBS, lambda: case_names(folders)):
        print(word)
    return 0


VERBS: dict[str, Callable[[list[str]], int]] = {
    "run": run,
    "list": list_cases,
    "show": show,
    "explain": explain,
    "mutate": mutate,
    "variants": variants,
    "doctor": tools.doctor,
    "report": tools.report,
    "docs": docs,
    "compare": compare,
    "matrix": tools.matrix,
    "merge": tools.merge,
    "coverage": coverage,
    "grid": tools.grid,
    "explore": tools.explore,
    "pkt": tools.pkt,
    "fuzz": tools.fuzz,
    "learn": tools.learn,
    "bench": tools.bench,
    "adapter": tools.adapter,
    "build": tools.build,
    "declare": tools.declare,
    "kernels": tools.kernels,
    "test": test,
    "help": manual,
    "completion": completion,
}
#: What people do not type.
_UNLISTED: dict[str, Callable[[list[str]], int]] = {"complete": complete}
