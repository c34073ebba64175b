"""The verb `explain`: what a case is about, without running it."""

import sys
from pathlib import Path

from harness.verbs import NOTHING_RAN, USAGE_ERROR, keeping, printing, starting
from harness.verbs.starting import is_script

HELP = "print a case's rule, source and expected ladder (--svg: the ladder as a drawing)"
USAGE = (
    "tcpspec explain CASE [--svg | --pkt]    (tcpspec list prints the cases)\n"
    "       tcpspec explain SCRIPT.pkt [--pkt-dialect linux|bsd]"
)
_DIALECT = "--pkt-dialect"


def main(arguments: list[str]) -> int:
    """Print what a case, or a cell of the grid, is about, without running it."""
    arguments, dialect = _dialect(arguments)
    names = [argument for argument in arguments if argument not in ("--svg", "--pkt")]
    drawn, scripted = "--svg" in arguments, "--pkt" in arguments
    if len(names) != 1 or names[0].startswith("-"):
        print(f"usage: {USAGE}", file=sys.stderr)
        return USAGE_ERROR
    if scripted and not is_script(names[0]):
        return _write_script(names[0])
    if names[0].startswith("grid/"):
        return _explain_cell(names[0])
    if is_script(names[0]):
        return _explain_script(Path(names[0]), dialect)
    code, collector = starting.collect(["--ip", "4", "--grid", "off", "--case", names[0]])
    if code:
        return code
    scenarios = [(case, item) for case, item in collector.items if case.group != "grid"]
    if not scenarios:
        return starting.no_such_case(names[0])
    if drawn:
        print(printing.drawn_explanation(*scenarios[0]))
        return 0
    printing.print_explanation(scenarios)
    return 0


def _write_script(name: str) -> int:
    """Print a case as a script of packetdrill: what happens in it on the reference stack, or should."""
    keeper = keeping.Keeper()
    grid = ["--grid", "full"] if name.startswith("grid/") else []
    played = ["--case", name, "--target", "reference", "--ip", "4", "--no-expectations", "--maxfail", "1", *grid]
    code = starting.start(["-p", "no:terminal", "--timers", "1e9", *played], keeper)
    if code == NOTHING_RAN:
        return starting.no_such_case(name)
    text = keeper.text
    if not text:
        code, collector = starting.collect(["--ip", "4", "--grid", "off", "--case", name])
        scenarios = [(case, item) for case, item in collector.items if hasattr(item, "obj")]
        if code or not scenarios:
            why = "the reference stack can't play it, and nothing else says what happens in it"
            print(f"{name}: {why}", file=sys.stderr)
            return code or USAGE_ERROR
        text = printing.scripted_explanation(*scenarios[0])
    if refusal := _refusal(text):
        print(f"{name}: no script of it: {refusal}", file=sys.stderr)
        return USAGE_ERROR
    print(text, end="")
    return 0


def _refusal(text: str) -> str:
    """Return why a script does not say what happens in its case, "" where it does: the reference stack plays it."""
    from harness.case.engine import Engine
    from harness.pkt import playback, writer
    from harness.targets import registry

    if (unsaid := writer.unsaid(text)) is not None:
        return unsaid
    sound = registry.parse("reference")
    engine = Engine([sound], registry.Settings())
    try:
        (told,) = playback.play(lambda: engine.rig(sound, as_found=True), [text], engine.close)
    finally:
        engine.close()
    if told.word is playback.Word.CONFORMS:
        return ""
    if told.word is playback.Word.UNPLAYED:
        return f"the reference stack can't play it: {told.why}"
    line = text.splitlines()[told.line - 1].strip()
    return f"the reference stack is not as its line {told.line}, `{line}`: what that comes of, no script can say"


def _dialect(arguments: list[str]) -> tuple[list[str], str | None]:
    """Return the arguments without the dialect, if one is named, and that."""
    from harness.pkt.profile import Dialect

    for at, argument in enumerate(arguments):
        name, given, value = argument.partition("=")
        if name != _DIALECT:
            continue
        value, rest = (
            (value, arguments[at + 1 :]) if given else ("".join(arguments[at + 1 : at + 2]), arguments[at + 2 :])
        )
        if value in list(Dialect):
            return arguments[:at] + rest, value
    return arguments, None


def _explain_script(path: Path, dialect: str | None) -> int:
    from harness.pkt import explain as scripts
    from harness.pkt import run as reading
    from harness.pkt.scanner import BadScript

    try:
        print(scripts.explain(reading.load(path), dialect))
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
