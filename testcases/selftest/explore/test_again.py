"""The kinds `again` and `order`, and the operations on plans that they are made of; they met faults of ours."""

import itertools

import pytest

from harness.case.rig import Rig
from harness.case.violation import Finding
from harness.explore import meetings, operations, run
from harness.explore.kinds import KINDS, again, order
from harness.explore.notation import generated_from, text_of
from harness.explore.plan import moves
from harness.explore.plan import text_of as plan_text
from harness.stack import Stack
from harness.stack.defects import defective
from harness.targets.reference.target import ReferenceTarget

PASSIVE = "listen S@i A@p,r accept"


def findings(text: str, stack_class: type[Stack] = Stack) -> list[Finding]:
    rig = Rig(ReferenceTarget(stack_class=stack_class), guarded=False)
    return run.play_generated(rig, generated_from(text)).conversation.findings


def test_several_connections_play_the_same_each_some_words_behind() -> None:
    made = operations.side_by_side(moves("1{offer=t,address}:listen S@i wait:5 accept"), [["offer=w2"], []], 1)
    assert plan_text(made) == (
        "1{offer=t,address}:listen S@i wait:5 2{same-port,offer=w2}:S@i accept 3{same-port}:S@i 2:accept 3:accept"
    )


def test_connections_that_the_target_opens_have_ports_of_their_own() -> None:
    made = operations.side_by_side(moves("connect SA@i,r"), [[]], 0)
    assert plan_text(made) == "connect 2:connect SA@i,r 2:SA@i,r"


def test_a_life_is_played_behind_another_with_neighbours_of_its_own() -> None:
    first, then = moves("1{iss=-1}:listen S@i 2{same-port}:S@i"), moves("1{offer=t}:S@i 2{peer}:S@i A@p,r")
    assert plan_text(operations.behind(first, "R@n fresh", then)) == (
        "1{iss=-1}:listen S@i 2{same-port}:S@i R@n fresh S@i 4{peer}:S@i A@p,r"
    )


@pytest.mark.parametrize(
    ("times", "pause", "later", "made"),
    [
        (2, 0, 0, "listen S@i A@p,r A@p,r accept send:1"),
        (3, 40, 0, "listen S@i A@p,r wait:40 A@p,r wait:40 A@p,r accept send:1"),
        (2, 0, 2, "listen S@i A@p,r accept send:1 A@p,r"),
        (2, 0, 9, "listen S@i A@p,r accept send:1 A@p,r"),
    ],
)
def test_a_part_comes_again(times: int, pause: int, later: int, made: str) -> None:
    plan = moves("listen S@i A@p,r accept send:1")
    assert plan_text(operations.again(plan, 2, 3, times, pause, later)) == made


def test_a_word_moves_and_another_comes_between_and_what_a_connection_is_like_stays_in_front() -> None:
    plan = moves("1{offer=t}:listen S@i accept A@p,r")
    assert plan_text(operations.moved(plan, 2, 3)) == "1{offer=t}:listen S@i A@p,r accept"
    assert plan_text(operations.moved(plan, 0, 1)) == "1{offer=t}:S@i listen accept A@p,r"
    assert plan_text(operations.inserted(plan, 0, "2{peer}:S@i")) == "2{peer}:S@i 1{offer=t}:listen S@i accept A@p,r"
    assert operations.calls(plan) == [0, 2]


def test_segments_are_given_windows_and_syns_options() -> None:
    plan = moves("S@i A@p,r%5 2:A@p,r")
    assert plan_text(operations.each(plan, operations.windowed(200))) == "S@i%200 A@p,r%5 2:A@p,r"
    assert plan_text(operations.each(plan, operations.offering(("w2",)))) == "S@i~w2 A@p,r%5 2:A@p,r"


def test_listeners_are_given_little_room() -> None:
    assert plan_text(operations.backlogged(moves("listen 2:listen:7 S@i"), 1)) == "listen:1 2:listen:7 S@i"
    texts = [text_of(made) for made in itertools.islice(again.generate(), 100)]
    assert any("listen:1 " in text for text in texts)


def test_the_plan_is_chosen_in_which_most_is_new() -> None:
    plans = [moves("listen S@i"), moves("listen S@i A@p,r"), moves("connect SA@i,r")]
    seen: meetings.Met = set()
    assert [meetings.newest(plans, seen) for _each in range(3)] == [1, 2, 0]


@pytest.mark.parametrize("kind", ["again", "order"])
def test_a_seed_gives_the_same_conversations_and_each_is_read_as_it_was_made(kind: str) -> None:
    first, second, other = (list(itertools.islice(KINDS[kind].made(seed), 60)) for seed in (1, 1, 2))
    assert first == second
    assert first != other
    assert len({made.name for made in first}) == len(first)
    for made in first:
        assert generated_from(text_of(made)).plan == made.plan
    assert {made.slow for made in first} == {True, False}


def test_each_way_to_have_a_second_one_is_taken() -> None:
    names = [made.name.split(".")[2:] for made in itertools.islice(again.generate(), 100)]
    assert {name[0] for name in names} == set(again.WAYS)
    assert {int(name[1]) for name in names if name[0] == "side"} == set(again.COMPANY)
    assert {int(name[1]) for name in names if name[0] == "part"} == set(again.TIMES)


def test_what_may_come_anywhere_does_and_so_do_neighbours() -> None:
    texts = [text_of(made) for made in itertools.islice(order.generate(), 800)]
    said = [plan_text(moves(words)) for words in order.ANYWHERE]
    assert [words for words in said if not any(words in text for text in texts)] == []
    assert any("90{same-port}" in text for text in texts)


#: What they had found of the epilogue, of what the peer knows of urgent text, and of connections that nobody looked at.
MENDED = (
    "listen S@n A@n,n fresh FA@p,n",
    "listen S@n A@n,n fresh A@n,n",
    "1{iss=-1}:listen S@n FA@n,n fresh FA@p,n",
    f"{PASSIVE} urgent:1 fresh await",
    f"{PASSIVE} close FA@n,n fresh S@i R@n SA@n,n",
    "1{own-iss=-1}:listen S@i A@p,r accept close FA@n,n fresh S@i R@n A@n,n",
    "1{offer=s.w3.t}:listen S@n A@p+10,n/1 fresh",
    "listen S@i A@p,r RA@p,r fresh connect SA@i,r",
    f"{PASSIVE} close A@p,r FA@p,r wait:100000 FA@n+200000,n wait:100000 wait:100000",
    f"{PASSIVE} close A@p,r FA@p,r wait:100000 FA@n-70000,n wait:100000 wait:100000",
    f"{PASSIVE} close A@p,r FA@p,r wait:100000 FA@n-1,n wait:100000 wait:100000",
    f"{PASSIVE} close A@p,r FA@p,r/10 wait:100000 FA@n-11,n/10 wait:100000 wait:100000",
    f"{PASSIVE} R@p close fresh S@i A@p,r accept close A@p,r FA@p,r S@n+100 R@n A@p,r",
    f"{PASSIVE} buffer:8000 send:30000 send:30000 edges A@p,r edges A@p,r edges",
    "A@n,n 2:S@n 3:A@n,n 4:S@n 5:S@n 6:S@n 7:S@n 8:S@n 2:connect",
)


@pytest.mark.parametrize("text", MENDED)
def test_what_was_once_held_against_the_reference_stack_is_clean(text: str) -> None:
    assert findings(text) == []


#: What the judge had let pass.
NARROWED = {
    "D747": f"{PASSIVE} fill shutdown recv:1000000 recv:1000000 A@p,r",
    "D785": f"{PASSIVE} buffer:8000 send:30000 send:30000 edges A@p,u%50000 FA@p,r edges",
    "D786": f"{PASSIVE} keep-alive:9 A@p,u/10 wait:5000 A@n,u wait:7000",
    "D789": f"{PASSIVE} lose:1 send:100 recover",
}


@pytest.mark.parametrize(("name", "text"), NARROWED.items())
def test_a_conversation_shows_the_defect_and_the_sound_stack_is_clean(name: str, text: str) -> None:
    assert findings(text) == []
    assert findings(text, defective(name).stack_class) != []


@pytest.mark.parametrize(
    "text",
    [
        f"{PASSIVE} keep-alive:9 wait:10000 A@p,r wait:10000",
        f"{PASSIVE} wait:8000 keep-alive:9 wait:9500",
        f"{PASSIVE} A@p,u%0 send:1 await A@p,u%0 await A@p,u%1 A@p,r",
        f"{PASSIVE} send:3000 A@p,u%100 A@p,u/10 recv:10 A@p,r",
        f"{PASSIVE} buffer:8000 send:30000 send:30000 poll edges A@p,u edges",
    ],
)
def test_what_is_right_beside_it_stays_so(text: str) -> None:
    assert findings(text) == []
