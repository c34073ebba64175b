"""Rows of connections: what is repeated, on whose ports they are, and which port the target chooses itself."""

import pytest

from harness.case.rig import Rig
from harness.explore import run
from harness.explore.notation import generated_from
from harness.explore.plan import moves, text_of, unrolled
from harness.explore.run import Outcome
from harness.spec.states import ESTABLISHED
from harness.stack import Stack
from harness.stack.defects import defective
from harness.targets.reference.target import ReferenceTarget


def played(text: str, stack_class: type[Stack] = Stack) -> Outcome:
    return run.play_generated(Rig(ReferenceTarget(stack_class=stack_class), guarded=False), generated_from(text))


def test_each_round_is_about_another_connection() -> None:
    plan = moves("listen repeat:2 *{same-port}:S@i *:R@p end 3:S@i")
    assert text_of(move for _at, move in unrolled(plan)) == (
        "listen 4{same-port}:S@i 4:R@p 5{same-port}:S@i 5:R@p 3:S@i"
    )
    assert [at for at, _move in unrolled(plan)] == [0, 2, 3, 2, 3, 5]


def test_a_repetition_ends_with_the_next_one_or_the_plan() -> None:
    assert text_of(move for _at, move in unrolled(moves("repeat:2 listen repeat:2 unlisten"))) == (
        "listen listen unlisten unlisten"
    )
    assert text_of(move for _at, move in unrolled(moves("end listen end"))) == "listen"


@pytest.mark.parametrize("like", ["same-port", "peer", "same-port,address", "apart=256", "peer,address"])
def test_neighbours_have_a_connection_each(like: str) -> None:
    outcome = played(f"1{{any-address}}:listen S@i 2{{{like}}}:S@i 2:A@p,r A@p,r accept accept 2:A@p,r/7 2:recv:100")
    assert outcome.conversation.findings == []
    one, two, *_others = [link.connection.tuple4 for link in outcome.talk.all_links.values()]
    assert (one.port, one != two) == (two.port, True)


def test_the_ports_may_be_turned() -> None:
    outcome = played("1{turned}:A@i,n 2{turned}:listen 2:S@i 2:A@p,r 2:accept connect SA@i,r")
    assert outcome.talk.states == (ESTABLISHED, ESTABLISHED)
    one, two, *_others = [link.connection.tuple4 for link in outcome.talk.all_links.values()]
    assert (one.port, one.peer_port) == (two.peer_port, two.port)


ROW = "1{any-port,ports=4}:connect SA@i,r repeat:3 *{any-port}:connect *:SA@i,r end 2{any-port}:connect"


def test_that_no_port_is_left_is_told_and_no_finding() -> None:
    outcome = played(ROW)
    assert outcome.conversation.findings == []
    ports = {link.connection.tuple4.port for link in list(outcome.talk.all_links.values())[:4]}
    assert (len(ports), max(ports) - min(ports)) == (4, 3)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("D440", "listen repeat:80 *{same-port}:S@i *:A@p,r accept *:R@p *:close end"),
        ("D443", "1{any-port,ports=4}:connect RA@i,r close repeat:8 *{any-port}:connect *:RA@i,r *:close end"),
        ("D444", "listen S@i 2{peer}:S@i A@p,r 2:A@p,r accept accept"),
        (
            "D448",
            "1{any-port,ports=2}:connect SA@i,r close A@p,r FA@p,r repeat:2 *{any-port}:connect *:RA@i,r *:close end",
        ),
        ("D450", ROW),
        ("D623", "1{any-address}:listen 2{same-port,address}:listen 2:unlisten 2:S@i 2:A@p,r 2:accept"),
        ("D809", "listen 2{same-port,address}:listen 2:S@i 2:A@p,r 2:accept"),
    ],
)
def test_what_leaks_or_is_mistaken_shows(name: str, text: str) -> None:
    assert played(text).conversation.findings == []
    assert played(text, defective(name).stack_class).conversation.findings != []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("D471", "1{offer=s.w3.t}:connect SA@i,r repeat:110 A@p,r/1400 end"),
        ("D472", "1{offer=s.w3}:connect SA@i,r A@p,r%60 send:300 wait:3000 A@p,r"),
        ("D474", "1{offer=t}:listen S@i A@p,r accept wait:4000 abort"),
        ("D476", "1{offer=s}:listen S@i A@p,r accept A@p+10,r/10"),
        ("D478", "1{offer=w7}:listen S@i S@i~w1 A@p,r accept A@p,r%20 send:300 wait:3000"),
        ("D481", "1{offer=s.t}:connect SA@i,r send:3000 A@p,r"),
        ("D483", "1{offer=t}:connect SA@i,r keep-alive:30 wait:31000 A@p,r"),
        ("D484", "1{offer=t,delay=200}:connect SA@i,r A@p,r/10~t+100 A@p,r/10~t+200 wait:500"),
        ("D335", "1{delay=200}:connect SA@i,r A@p,r/10 R@p"),
        ("D429", "clock:2147483400 listen S@i A@p,r accept lose:1 send:100 recover"),
        ("D350", "1{offer=w7}:listen lose:2 S@i recover A@p,r accept"),
    ],
)
def test_what_was_agreed_and_what_is_delayed_shows(name: str, text: str) -> None:
    assert played(text).conversation.findings == []
    assert played(text, defective(name).stack_class).conversation.findings != []


@pytest.mark.parametrize(
    "text",
    [
        "listen 2{same-port,any-address}:listen",
        "listen 2{same-port,any-address}:listen 3{same-port,address}:S@i 3:A@p,r 2:accept S@i A@p,r accept",
        "1{any-address}:listen 2{same-port,address}:listen unlisten S@i 2:S@i 2:A@p,r 2:accept",
        "listen 2{same-port,address}:listen 2:begin-accept S@i A@p,r 2:S@i 2:A@p,r accept",
        "listen 2{same-port,address}:listen 2:S@i 2:A@p,r unlisten S@i 2:accept poll-listener 2:poll-listener",
    ],
)
def test_two_listeners_share_a_port(text: str) -> None:
    outcome = played(text)
    assert (outcome.conversation.findings, outcome.lost) == ([], False)


def test_nobody_else_listens_at_a_port_where_connections_wait() -> None:
    """Whose they are could not be told then."""
    for text in ("listen S@i 2{same-port,address}:listen", "listen 2{same-port}:listen"):
        assert len(played(text).talk.application.listeners) == 1


@pytest.mark.parametrize("stamp", [-1, -2_000_000_000, 100])
def test_a_timestamp_of_24_days_ago_says_nothing(stamp: int) -> None:
    text = f"1{{offer=t}}:connect SA@i,r A@p,r/10 recv:10 wait:2200000000 A@p,r/10~t{stamp:+d} recv:10 A@p,r/10"
    assert played(text).conversation.findings == []
    if stamp < 0:
        assert played(text, defective("D428").stack_class).conversation.findings != []
