"""Reads scripts, and plays them on the reference stack in this process, for the selftests of their language."""

from dataclasses import dataclass

from harness.case.rig import Rig
from harness.case.violation import Code, Violation
from harness.pkt import grammar, needs, run
from harness.pkt.profile import LENIENT, Profile
from harness.pkt.support import Unsupported, traits_of
from harness.pkt.tree import TcpSegment
from harness.targets.reference.target import ReferenceTarget
from harness.trace.events import Event

#: A server in ESTABLISHED, as the first lines of most scripts have it.
SERVER = """
 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 65535 <mss 1460>
+0 > S. 0:0(0) ack 1 <...>
+.1 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
"""


@dataclass
class Played:
    """What came of a script: "" where it conforms, or the code and what was due and seen."""

    verdict: str
    code: Code | None = None
    due: str = ""
    seen: str = ""
    line: int = 0
    notes: str = ""
    events: tuple[Event, ...] = ()


def play(
    text: str, profile: str = LENIENT, target: ReferenceTarget | None = None, dialect: str | None = None
) -> Played:
    """Play a script; the verdict is ``conforms``, ``violates``, or ``not applicable`` with the reason as `due`."""
    script = grammar.parse("x.pkt", text)
    rig = Rig(target or ReferenceTarget(), guarded=False)
    (version,) = run.versions(script)
    need = next(needs.unmet(script, version, traits_of(rig.target)), None)
    if need is not None:
        return Played("not applicable", due=need.construct, line=need.place.line)
    outcome = run.begin(rig.begin(version.ip, name="x"), script, version, Profile(profile, dialect))
    try:
        run.play_alone(outcome)
    except Violation as violation:
        finding = violation.finding
        line = int(finding.cites[0].rpartition(":")[2])
        return Played("violates", finding.code, finding.expected, finding.observed, line)
    except Unsupported as found:
        return Played("not applicable", due=found.construct, line=found.place.line)
    finally:
        rig.sweep()
    return Played("conforms", notes=outcome.notes(), events=tuple(outcome.conversation.events))


def only(text: str) -> TcpSegment:
    """Return the one segment of a script."""
    action = grammar.parse("x.pkt", text).events[0].action
    assert isinstance(action, TcpSegment)
    return action
