"""The grid as documentation: how to read a cell, the open questions, and the deviations of an implementation."""

import html
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.expectations import deviations
from harness.grid import known
from harness.grid.accept import core
from harness.grid.calls import call_cells, timer_cells
from harness.grid.cells import PLACES, segment_cells
from harness.grid.known import GridRule
from harness.grid.session import inexpressible
from harness.spec.ambiguities import REGISTER

_READING = """\
A cell is one kind of segment in one state: `grid/<state>[-route][-setting]/<flags>/<seq>/<ack>/<payload>`.

| position | sequence number | | position | acknowledgment |
|---|---|---|---|---|
| `left1` | RCV.NXT−1 | | `le_iss` | ISS (SYN-SENT, SYN-RECEIVED) |
| `exact` | RCV.NXT | | `good` | ISS+1 (SYN-SENT, SYN-RECEIVED) |
| `inside` | RCV.NXT+100 | | `unsent` | SND.NXT+1 |
| `right_last` | RCV.NXT+RCV.WND−1 | | `dup` | SND.UNA |
| `right_out` | RCV.NXT+RCV.WND | | `old` | SND.UNA−1 |
| `far` | RCV.NXT+2³⁰ | | `too_old` | SND.UNA−MAX.SND.WND−1 |
| `overlap` | RCV.NXT−1, and reaches in | | `acks_fin` | SND.NXT, which acknowledges our FIN |
| | | | `far_old` | SND.UNA−2³⁰ |
| | | | `far_new` | SND.NXT+2³⁰ (resets) |
| | | | `between` | SND.UNA+2, where 4 octets are in flight (resets) |

`-` stands where a field plays no part: the acknowledgment of a reset, which then is SND.NXT. The other ones that a
reset may have are there too, at three sequence numbers. Payload is `none` or `data`: 4 octets, 1 octet at `left1`.
Settings are `zero-window` (the application does not read), `in-flight` (4 octets of the target are unacknowledged),
`listening` (TIME-WAIT with a listener on the port) and `timestamps` (TIME-WAIT of a connection with timestamps; the
acknowledgment's place in the name then tells the SYN's TSval).

Preconditions: opened passively unless the route says otherwise, no options in the peer's SYN, the receive buffer empty,
the listener closed behind the accept, all of the target's data acknowledged, and more than a window of it. A cell
conforms if the reply is one of those that are allowed, if the state is the one that belongs to it, and if a follow-up
finds nothing that contradicts this state. An acknowledgment of text may be delayed where the target's time costs
nothing (MUST-40), and one that is due may ride on our SYN or FIN, sent again while it is unacknowledged (MUST-58).
"""


def markdown(implementation: str = "Linux") -> str:
    """Return the whole page."""
    parts = [
        "# The grid",
        _counts(),
        "## How to read a cell",
        _READING,
        "## Open questions",
        "What the specifications contradict or leave open, and what the rules here make of it.",
        *_questions(),
        f"## Deviations of {implementation}",
        *_deviations(known.bundled(implementation)),
        *_of_events(implementation),
        "## Calls and timers that sockets do not have",
        "\n".join(_inexpressible()),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def write(path: Path, implementation: str = "Linux") -> None:
    """Write the page into a file; raises OSError."""
    path.write_text(markdown(implementation), encoding="utf-8")


def _counts() -> str:
    return (
        f"{len(segment_cells())} segment cells over {len(PLACES)} places ({len(core())} of them in the core that an "
        f"ordinary run takes), {len(call_cells())} cells of user calls, {len(timer_cells())} of timers."
    )


def _questions() -> Iterator[str]:
    for entry in REGISTER.values():
        readings = "\n".join(f"{number}. {reading}" for number, reading in enumerate(entry.readings, 1))
        errata = f" Errata: {', '.join(map(str, entry.errata))}." if entry.errata else ""
        yield f"### {entry.id}\n\n{', '.join(entry.sections)}.{errata}\n\n{readings}"
        yield f"Allowed: {entry.admits}\n\nDecision: {entry.decision}"


def _deviations(rules: Sequence[GridRule]) -> Iterator[str]:
    """One table per looks_like; entries with the same reason are one line."""
    covered = sum(len(known.cells_of(rule)) for rule in rules)
    yield f"{len(rules)} entries explain {covered} cells. The same is observed over IPv4 and IPv6."
    for looks_like in reversed(known.LOOKS_LIKE):
        chosen = [rule for rule in rules if rule.looks_like == looks_like]
        if chosen:
            yield f"### {looks_like.capitalize()}"
            yield "\n".join(_table(chosen))


def _of_events(implementation: str) -> Iterator[str]:
    ids = {cell.id for cell in (*call_cells(), *timer_cells())}
    entries = [entry for entry in deviations.bundled(implementation) if any(entry.names(name) for name in ids)]
    if entries:
        yield "### Calls and timers"
        lines = ["| cell | observed | why | source |", "|---|---|---|---|"]
        lines += [
            f"| `{entry.case}` | {'<br>'.join(entry.observed)} | {_cell(entry.reason)} | {_cell(entry.source)} |"
            for entry in entries
        ]
        yield "\n".join(lines)


def _inexpressible() -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for cell in (*call_cells(), *timer_cells()):
        if reason := inexpressible(cell):
            reasons.setdefault(reason, []).append(f"`{cell.id}`")
    for reason, names in reasons.items():
        yield f"* {_cell(reason)}: {', '.join(names)}"


def _table(rules: Sequence[GridRule]) -> Iterator[str]:
    yield "| cells | for example | observed | why | source |"
    yield "|---:|---|---|---|---|"
    by_reason: dict[tuple[str, str], list[GridRule]] = {}
    for rule in rules:
        by_reason.setdefault((rule.reason, rule.source), []).append(rule)
    for (reason, source), same in by_reason.items():
        cells = [cell for rule in same for cell in known.cells_of(rule)]
        seen = "<br>".join(dict.fromkeys(f"{rule.reply} → {rule.next}" for rule in same))
        when = f" ({same[0].scope})" if str(same[0].scope) else ""
        yield f"| {len(cells)} | `{cells[0].id}` | {seen} | {_cell(reason)}{when} | {_cell(source)} |"


def _cell(text: str) -> str:
    return html.escape(text, quote=False).replace("|", "\\|")
