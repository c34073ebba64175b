"""The kind `armed`: its tables are of words, its conversations hold what they multiply to. It met faults of ours."""

import itertools

import pytest

from harness.case.rig import Rig
from harness.case.violation import Finding
from harness.explore import run
from harness.explore.kinds import armed, armed_table
from harness.explore.kinds.armed_table import Row
from harness.explore.notation import generated_from, text_of
from harness.explore.plan import moves
from harness.spec.history import readiness
from harness.spec.history.answers import Answer
from harness.spec.history.fall import Fall
from harness.spec.history.history import History
from harness.spec.history.react import Step
from harness.spec.history.world import Traits, World
from harness.spec.values import replace
from harness.stack import Stack
from harness.targets.reference.target import ReferenceTarget
from harness.targets.registry import Settings, open_target, parse

ROWS = [
    (name, row)
    for name in ("OPENED", "UNACCEPTED", "OUTGOING", "INCOMING", "WAITING", "NEIGHBOURS", "LISTENER", "BEFORE")
    for row in getattr(armed_table, name)
]
PASSIVE = "listen S@i A@p,r accept"


def findings(text: str, stack_class: type[Stack] = Stack) -> list[Finding]:
    rig = Rig(ReferenceTarget(stack_class=stack_class), guarded=False)
    return run.play_generated(rig, generated_from(text)).conversation.findings


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_a_row_is_of_words(name: str, row: Row) -> None:
    words = f"{row.words} {row.rest}".replace("*", "").replace("{T}", "{same-port}")
    assert not words.strip() or moves(words), name


def test_a_seed_gives_the_same_conversations_and_each_is_read_as_it_was_made() -> None:
    first, again, other = (list(itertools.islice(armed.generate(seed), 60)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    for made in first:
        read = generated_from(text_of(made))
        assert (read.plan, read.twin) == (made.plan, made.twin)


def test_each_state_meets_everything_that_can_be_pending_in_it_early() -> None:
    names = [made.name.split(".") for made in itertools.islice(armed.generate(), 400)]
    met = {(name[3], at, row) for name in names for at, row in enumerate(name[4:])}
    for at, rows in ((2, armed_table.OUTGOING), (3, armed_table.INCOMING), (4, armed_table.WAITING)):
        due = {(state, at, row.name) for state in set(armed.STATES) for row in rows if row.fits(state)}
        assert len(due - met) < len(due) // 10


def test_every_way_to_look_is_taken() -> None:
    modes = {made.name.split(".")[2]: made for made in itertools.islice(armed.generate(), 200)}
    assert modes.keys() == set(armed.MODES)
    assert {name for name, made in modes.items() if made.twin is not None} == set(armed.MODES) - {"loud"}


#: What it had found of the judge and of the peer, on stacks that are right.
MENDED = (
    f"{PASSIVE} shutdown FA@n,n S@n wait:200000",
    f"{PASSIVE} timeout:1000 send:1 RA@n,n wait:700000 error",
    f"{PASSIVE} send:1 wait:20000 timeout:20000 wait:12000",
    f"{PASSIVE} FA@n,n FA@p+10,n%2 send:100",
    f"{PASSIVE} unlisten listen:1 repeat:12 *{{same-port}}:S@i *:A@p,r accept *:R@p end 2:listen",
)


@pytest.mark.parametrize("text", MENDED)
def test_what_was_once_held_against_the_reference_stack_is_clean(text: str) -> None:
    assert findings(text) == []


def told(world: World, error: str) -> list[Step]:
    return list(readiness.error(world, 0, Answer(error), 0))


def test_an_icmp_error_may_be_told_where_one_asks_for_errors() -> None:
    """RFC 9293 §3.9.2.2, SHLD-25."""
    world = History(policies=frozenset(), traits=Traits()).worlds[0]
    with pytest.raises(Fall):
        told(world, "EHOSTUNREACH")
    with pytest.raises(Fall):
        told(replace(world, troubled=True), "EPIPE")
    assert told(replace(world, troubled=True), "EHOSTUNREACH")


def test_a_peer_that_begins_anew_offers_the_same() -> None:
    rig = Rig(open_target(parse("reference"), Settings()), guarded=False)
    text = f"1{{offer=s.w7.t,window=1000}}:{PASSIVE} R@p close fresh S@i A@p,r accept"
    talk = run.play_generated(rig, generated_from(text)).talk
    view = talk.link(1).view
    assert view.offer == ("s", "w7", "t+0")
    assert view.usual_window == 1000
