"""ICMP errors, urgent text, and what of a connection must not outlive it."""

import itertools

import pytest

from harness.case.rig import Rig
from harness.case.violation import Finding, Level
from harness.explore import forms, losses, run
from harness.explore.kinds import KINDS
from harness.explore.kinds.needs import needs_of
from harness.explore.notation import generated_from
from harness.explore.plan import moves, text_of
from harness.fuzz.steps import BadSequence
from harness.spec.connection import Connection as Record
from harness.spec.history.readiness import ERR, level
from harness.spec.history.world import Fate, World
from harness.spec.segment import ACK, Segment
from harness.spec.states import CLOSED
from harness.stack import Stack
from harness.stack.connection import Connection
from harness.stack.defects import defective
from harness.stack.variants import varied
from harness.targets.protocol import Capability, in_parts
from harness.targets.reference.target import ReferenceTarget
from harness.wire import codec


def findings(text: str, stack_class: type[Stack] = Stack) -> list[Finding]:
    rig = Rig(ReferenceTarget(stack_class=stack_class), guarded=False)
    return run.play_generated(rig, generated_from(text)).conversation.findings


FORMER = "[listen] [S@i] [A@p,r] [accept] [send:100] [await] [await] [await] [R@p] [close] [fresh]"
SHOWING = {
    "D340": "connect wait:50 [soft@u] wait:12000",
    "D353": "listen S@i A@p,r accept lose:1 urgent:100 recover",
    "D399": f"{FORMER} listen mark lose:4 S@i wait:12000",
    "D400": "listen S@i A@p,r accept R@p close wait:2000 fresh S@i A@p,r",
    "D531": "listen S@i A@p,r accept shutdown wait:50 [soft@u] wait:12000",
    "D532": "1{delay=200}:listen S@i A@p,r accept A@p,r/10 A@p,r wait:700",
    "D539": f"{FORMER} listen S@i A@p,r accept mark send:40000 wait:100",
    "D548": "listen S@i A@p,r accept send:100 hard@u recv:10",
    "D550": "listen S@i A@p,r accept UA@p,r/10 again recv:100",
}


@pytest.mark.parametrize(("name", "text"), SHOWING.items())
def test_a_conversation_shows_the_defect_and_the_sound_stack_is_clean(name: str, text: str) -> None:
    assert findings(text) == []
    assert findings(text, defective(name).stack_class) != []


@pytest.mark.parametrize("text", ["connect soft@u-1 hard@n+5 quench@i", "listen urgent:10 mark AU@p,r/3"])
def test_a_plan_with_errors_and_urgent_text_reads_as_it_is_written(text: str) -> None:
    assert text_of(moves(text)) == text


@pytest.mark.parametrize("text", ["soft", "soft@p", "hard@n,n", "urgent", "mark:1"])
def test_what_is_no_error_is_refused(text: str) -> None:
    with pytest.raises(BadSequence):
        moves(text)


@pytest.mark.parametrize("error", ["soft@u", "hard@u-1", "hard@n+1"])
def test_an_error_that_ends_a_connection_it_must_not_end_is_a_finding(error: str) -> None:
    text = f"listen S@i A@p,r accept send:100 {error}"
    assert findings(text) == []
    assert [each.code for each in findings(text, EndsAlways)] == ["wrong-state"]
    assert findings("listen S@i A@p,r accept send:100 hard@u", EndsAlways) == []


class EndsOnEachError(Connection):
    """Whatever an ICMP error quotes and says, it ends the connection."""

    def icmp_error(self, seq: int, code: int, *, hard: bool) -> None:
        self.delete(code)


class EndsAlways(Stack):
    """A stack of such connections."""

    connection_class = EndsOnEachError


def test_who_gives_up_may_say_so() -> None:
    assert findings("listen S@i wait:4000000", varied("reset-when-giving-up").stack_class) == []
    closing = "listen S@i A@p,r accept close A@p,r wait:400000"
    assert findings(closing, varied("reset-when-fin-wait-2-ends").stack_class) == []


def test_what_an_icmp_error_has_said_may_be_told_on() -> None:
    """Linux keeps it in the queue of errors when SO_ERROR is told, and poll() tells of that queue."""
    for fate, may in ((Fate.UNREACHABLE, ERR), (Fate.RESET, 0)):
        held = level(World(Record(CLOSED), fate=fate, told=True, accepted=True))
        assert (held.allowed & ERR, held.due & ERR) == (may, 0)


@pytest.mark.parametrize("word", ["UA@p,r/10", "2:AU@p,r", "S@i 3:FAU@p,u", "*:urgent:10"])
def test_who_is_to_take_urgent_text_needs_a_socket_that_can_be_asked_to(word: str) -> None:
    assert needs_of(f"listen {word} A@p,r") == {Capability.SOCKET_OPTIONS}
    assert needs_of("listen S@i FA@p,r") == frozenset()


#: Kinds that draw lots: so many of their conversations have about all words that they know. Of others 3,000 are asked.
ENOUGH = {"armed": 400, "pairs": 400, "random": 400, "order": 800, "again": 1000}


@pytest.mark.parametrize("kind", KINDS)
def test_each_conversation_asks_for_what_its_words_need(kind: str) -> None:
    for generated in itertools.islice(KINDS[kind].generate(), ENOUGH.get(kind, 3000)):
        lacking = needs_of(text_of(generated.plan)) - in_parts(generated.needs)
        assert not lacking, generated.id


def test_options_that_only_an_earlier_syn_has_offered_may_be_agreed_on() -> None:
    fewer = varied("options-dropped-on-repeated-syn").stack_class
    assert findings("1{offer=s.w3.t}:lose:1 connect wait:3000 SA@i,r A@p,r/10 send:100 A@p,r", fewer) == []
    assert findings("1{offer=t}:lose:1 connect", fewer) == []


def test_what_is_under_way_at_the_mark_is_not_compared() -> None:
    shut = "[A@p,r%0] send:100 [await] [await] [await] A@p,r send:10 A@p,r"
    assert findings(f"listen S@i A@p,r accept {shut} mark lose:4 send:100 wait:12000") == []


def test_who_begins_with_the_window_of_the_connection_before_breaks_no_must() -> None:
    """RFC 9040 §6.1 has a new connection take it over, and the initial window is an upper bound (RFC 5681 §3.1)."""
    found = findings(SHOWING["D539"], defective("D539").stack_class)
    assert [(str(each.code), each.level) for each in found] == [("late", Level.SHOULD)]


@pytest.mark.parametrize(
    "begun",
    [
        "listen S@i A@p,r accept [send:100] [await] [A@p,r] send:10 A@p,r",
        "[lose:1] listen S@i [await] A@p,r accept",
        "[lose:1] connect S@i SA@i,r",
        "[lose:1] connect [await] SA@i,r",
    ],
)
@pytest.mark.parametrize("lost", ["", "lose:1 "])
def test_behind_a_loss_a_connection_begins_with_less(begun: str, lost: str) -> None:
    """RFC 5681 §3.1: one segment, which grows by what is acknowledged; RFC 6298 §5.7: 3 s behind a lost SYN."""
    assert findings(f"{begun} mark {lost}send:9000 wait:12000") == []


@pytest.mark.parametrize(
    ("text", "late"),
    [
        ("lose:1 connect await SA@i,r", True),
        ("lose:1 listen S@i await A@p,r", True),
        ("lose:1 connect await SA@i,r A@p,r R@n fresh connect SA@i,r", False),
        ("lose:1 listen S@i await R@n listen S@n A@n,n", False),
        ("connect S@i SA@i,r", False),
    ],
)
def test_a_loss_leaves_nothing_to_the_next_life(text: str, late: bool) -> None:
    talk = run.play_generated(Rig(ReferenceTarget(), guarded=False), generated_from(text)).talk
    assert bool(losses.opened_late(talk.conversation.events[: talk.planned])) == late


def test_who_acknowledges_by_chance_what_was_lost_changes_something() -> None:
    assert findings("connect lose:1 S@i await A@p,r lose:1 send:6000 wait:2000 [FA@n,n+1000/5] wait:12000") == []


def test_faster_than_the_twin_is_no_finding() -> None:
    text = f"{FORMER} listen S@i A@p,r accept mark lose:4 send:100 wait:12000"
    assert findings(text, varied("smallest-rto-200-ms").stack_class) == []


@pytest.mark.parametrize(
    "text",
    [
        "listen:2 S@n A@n,n RA@n,n S@n A@n,n RA@n,n",
        "listen keep-alive:1 S@n keep-alive:60 A@n,n wait:61000",
        "listen S@n A@n,n accept shutdown FA@n,n unlisten listen:1 3{same-port}:S@n S@n",
        "connect await await await await await await lose:1 S@i await",
        "1{offer=t}:begin-connect S@i [A@p,n+5] wait:130 [A@p,n+5] await lose:2 S@i await SA@i,r A@p,r wait:9000",
        "listen S@i A@p,r R@p accept close fresh listen S@i A@p,r%0 accept mark send:100 wait:12000",
        "listen S@i A@p,r/4 accept recv:100 close A@p,r A@p,u/10 wait:4570 [S@n+10] wait:60000",
    ],
    ids=[
        "ghosts-crowd",
        "listener-asked-twice",
        "time-wait-crowded",
        "opening-given-up",
        "timestamps-go-on",
        "accepted-behind-its-end",
        "opened-anew",
    ],
)
def test_what_a_sound_stack_may_do_is_no_finding(text: str) -> None:
    assert findings(text) == []


def test_no_whole_datagram_has_the_identity_of_one_that_stays_in_pieces() -> None:
    segment = Segment(ACK, 1, 1, payload=bytes(64), source_port=1, destination_port=2)
    for path in (codec.Path("198.51.100.2", "198.51.100.1"), codec.Path("2001:db8::2", "2001:db8::1")):
        first, other, *rest = forms.shaped(codec.encode(path, segment), "fragments-between")
        at = slice(4, 6) if path.version == 4 else slice(44, 48)
        assert first[at] == rest[0][at]
        assert other[at][-1] & 1 != first[at][-1] & 1
