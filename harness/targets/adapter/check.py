"""`tcpspec adapter check COMMAND`: walks through the adapter protocol and says what an adapter lacks.

This is about the adapter; whether the stack behind it is right is what the cases are for.
"""

import contextlib
import sys
from collections.abc import Callable

from harness.targets.adapter.dialogue import Dialogue, Lack, Peculiar
from harness.targets.adapter.line import AdapterFailure, AdapterLine, Launcher, Patience
from harness.targets.adapter.process import Command, command_line
from harness.targets.adapter.target import CLAIMABLE, Greeting
from harness.targets.container.adapter import Image
from harness.targets.protocol import UnusableTarget

USAGE_ERROR = 4
#: So many lines of the dialogue before a fault are shown.
SHOWN_LINES = 8


def check(launcher: Launcher, report: Callable[[str], None], limit_s: float = 10.0) -> bool:
    """Check the adapter that `launcher` starts; report line by line; tell whether it can be used."""
    try:
        line = AdapterLine(launcher.start(), Patience(limit_s))
    except AdapterFailure as error:
        report(f"bad  {error}")
        return False
    fine = True
    try:
        dialogue = Dialogue(line)
        for title, step in dialogue.steps():
            dialogue.asked.clear()
            try:
                step()
                report(f"ok   {title}")
            except Peculiar as peculiar:
                report(f"note {title}\n       {peculiar}")
            except Lack as lack:
                fine = False
                report(f"bad  {title}\n       {lack}")
                _report_asked(dialogue, report)
                if words := line.carrier.last_words():
                    report(f"       its standard error ends with: {words}")
        if dialogue.greeting is not None:
            _report_greeting(dialogue.greeting, report)
    except AdapterFailure as error:
        fine = False
        report(f"bad  {title}\n       {error}")
        _report_asked(dialogue, report)
    finally:
        if not line.close():
            fine = False
            report("bad  the end of standard input must end the adapter: it had to be killed")
    return fine


def _report_asked(dialogue: Dialogue, report: Callable[[str], None]) -> None:
    for said in dialogue.asked[-SHOWN_LINES:]:
        report(f"         {said}")


def _report_greeting(greeting: Greeting, report: Callable[[str], None]) -> None:
    claimed = sorted(greeting.capabilities)
    report(f"     {greeting.name} {greeting.version}, claims: {', '.join(claimed) or 'nothing'}")
    without = [name for name in CLAIMABLE if name not in claimed]
    report(f"     not claimed, so their cases are not applicable: {', '.join(without) or 'nothing'}")
    if greeting.untold:
        report(f"     neither claimed nor in lacks=, so both answers are right: {', '.join(sorted(greeting.untold))}")


USAGE = """usage: tcpspec adapter check COMMAND [ARGUMENT…]    or: tcpspec adapter check docker:IMAGE

Tests the adapter of a stack, step by step, and says what is missing. docker/ADAPTER.md is the protocol."""


def main(arguments: list[str]) -> int:
    """The verb ``adapter``: ``check COMMAND`` or ``check docker:IMAGE``. Exit code 1 if the adapter lacks something."""
    verb, *words = arguments or [""]
    if {verb, *words[:1]} & {"-h", "--help"}:
        print(USAGE)
        return 0
    if verb != "check" or not words:
        print(USAGE, file=sys.stderr)
        return USAGE_ERROR
    try:
        launcher = _launcher(words)
    except UnusableTarget as error:
        print(f"tcpspec adapter: {error}", file=sys.stderr)
        return USAGE_ERROR
    with contextlib.closing(launcher):
        return 0 if check(launcher, print) else 1


def _launcher(words: list[str]) -> Launcher:
    """Return what starts the adapter: one word may be a whole command line, also as ``--target`` takes it."""
    if len(words) > 1:
        return Command(words)
    kind, _colon, image = words[0].partition(":")
    if kind != "docker":
        return Command(command_line(words[0].removeprefix("exec:")))
    if not image:
        raise UnusableTarget("docker: needs an image", "tcpspec adapter check docker:IMAGE")
    return Image(image)
