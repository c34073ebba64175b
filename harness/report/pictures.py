"""The README's pictures, drawn from a live run against this machine's kernel: `tcpspec docs`.

The ladders show what really went over the wire, the state diagram what all cases showed. Times and counts differ from
run to run; `shape` is what must stay the same, and a test holds the pictures in the checkout against it.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from harness.report import diagram, ladder_svg, rungs
from harness.trace.places import refusal

FOLDER = Path(__file__).with_name("pictures")
STATES = "states.svg"
#: File -> the case that it shows, and the picture's name.
LADDERS: Mapping[str, tuple[str, str]] = {
    "three-way-handshake.svg": ("passive-open/three-way-handshake", "Three-way handshake with Linux"),
    "four-way-close.svg": ("active-close/four-way-close[passive-open]", "Four-way close by Linux"),
    "simultaneous-close.svg": ("simultaneous-close/simultaneous-close[passive-open]", "Simultaneous close with Linux"),
}
#: TIME-WAIT lasts 60 s on Linux: the timer cases up to this long show its end.
TIMERS_S = 70
#: What differs from run to run: times, counts, and how an edge looks because of these.
_VARYING = frozenset({"t", "count"})
USAGE_ERROR = 4


@dataclass(eq=False)
class Collector:
    """A plugin of pytest that keeps what the pictures show."""

    walked: diagram.Walked = field(default_factory=diagram.Walked)
    ladders: dict[str, rungs.Ladder] = field(default_factory=dict)

    def pytest_tcpspec_verdict(self, case: Any, outcome: Any, judgement: Any, record: Any, story: str) -> None:
        """Take the ladder of a case that has a picture, and the edges of every case."""
        self.walked.add(record)
        if outcome.conversation is not None:
            conversation = outcome.conversation
            for name, (case_id, _title) in LADDERS.items():
                if case_id == case.case_id:
                    self.ladders[name] = rungs.of_events(conversation.events, conversation.start_ns)

    def drawings(self, *, states: bool) -> dict[str, str]:
        """Return the pictures by file name."""
        found = {
            name: ladder_svg.draw(self.ladders[name], title=title, standalone=True)
            for name, (_case, title) in LADDERS.items()
            if name in self.ladders
        }
        if states:
            title = "What the cases showed of Linux on the state diagram of RFC 9293, figure 5"
            found[STATES] = diagram.of_run(self.walked, title, standalone=True)
        return found


def main(arguments: Sequence[str], pytest: Callable[..., int]) -> int:
    """Draw the pictures; `pytest` runs cases with a plugin and returns an exit code."""
    parser = argparse.ArgumentParser(
        prog="tcpspec docs", description="Draws the README's pictures from a live run against this machine's kernel."
    )
    parser.add_argument("-o", "--output", type=Path, default=FOLDER, metavar="FOLDER", help=f"default: {FOLDER}")
    parser.add_argument("--ladders", action="store_true", help="the ladders only: no need to run all cases")
    try:
        options = parser.parse_args(arguments)
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    if why := refusal(options.output, folder=True):
        print(f"tcpspec docs: {options.output}: {why}", file=sys.stderr)
        return USAGE_ERROR
    cases = [f"--case={case}" for case, _title in LADDERS.values()] if options.ladders else ["--timers", str(TIMERS_S)]
    collector = Collector()
    code = pytest(["-q", "--no-header", "--ip", "4", *cases], collector)
    missing = LADDERS.keys() - collector.ladders.keys()
    if code or missing:
        print(f"tcpspec docs: nothing drawn: {', '.join(sorted(missing)) or 'the run'} failed", file=sys.stderr)
        return code or 1
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        for name, drawing in collector.drawings(states=not options.ladders).items():
            (options.output / name).write_text(drawing + "\n", encoding="utf-8")
    except OSError as error:
        print(f"tcpspec docs: {error.filename}: {error.strerror}", file=sys.stderr)
        return USAGE_ERROR
    return 0


def shape(drawing: str) -> list[str]:
    """Return the texts of a picture in their order, without those that differ from run to run."""
    texts = ElementTree.fromstring(drawing).iter("{http://www.w3.org/2000/svg}text")
    return [text.text or "" for text in texts if not _VARYING & set((text.get("class") or "").split())]
