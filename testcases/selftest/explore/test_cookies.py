"""Requests that a crowded listener answers by SYN cookies: nothing is remembered of them, and nothing is wrong."""

import pytest

from harness.case.rig import Rig
from harness.explore import run
from harness.explore.notation import generated_from
from harness.spec.history.fall import Fall
from harness.spec.history.history import History, Sent
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.spec.states import CLOSED, ESTABLISHED, SYN_RECEIVED, State
from harness.targets.registry import Settings, open_target, parse

CROWD = "listen:1 S@i 2{same-port}:S@i 3{same-port}:S@i"
MS = 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        f"{CROWD} 2:A@p,r accept",
        f"{CROWD} 3:A@p,r A@p,r 3:A@p,r accept 3:accept",
        f"{CROWD} 3:A@p,r/10 3:S@i R@p 3:A@p,r/10 accept 3:accept 3:recv:100 3:FA@p,r 3:close",
        f"{CROWD} 3:R@p 3:A@p,r+1 wait:70 3:A@p,r",
        f"{CROWD} 3:S@i 3:FA@p,r wait:200000 3:S@i",
        f"{CROWD} unlisten 3:A@p,r listen 3:S@i 3:A@p,r 3:accept",
    ],
)
def test_a_listener_that_answers_a_crowd_by_cookies_is_clean(text: str) -> None:
    rig = Rig(open_target(parse("reference,variant=syn-cookies"), Settings()), guarded=False)
    try:
        conversation = run.play_generated(rig, generated_from(text)).conversation
    finally:
        rig.close()
    assert conversation.findings == []
    assert len(conversation.events) > 12


def _asked(*, crowded: bool, state: State) -> History:
    """Return what is known of a request that was answered, and of the state behind that."""
    history = History()
    history.listens(listening=True)
    answer = Sent(Segment(SYN | ACK, 0, 1, 65535), 1, MS)
    history.arrives(Segment(SYN, 0, window=65535), MS, [answer], state, crowded=crowded)
    return history


def test_who_has_room_keeps_a_record_of_a_request() -> None:
    _asked(crowded=False, state=SYN_RECEIVED)
    with pytest.raises(Fall):
        _asked(crowded=False, state=CLOSED)


def test_only_what_returns_the_cookie_makes_the_connection() -> None:
    history = _asked(crowded=True, state=CLOSED)
    wrong = Segment(ACK, 1, 2, 65535)
    history.arrives(wrong, 2 * MS, [Sent(Segment(RST, 2), 3, 2 * MS)], CLOSED)
    with pytest.raises(Fall):
        history.arrives(wrong, 3 * MS, [], ESTABLISHED)
    history.arrives(Segment(ACK, 1, 1, 65535), 3 * MS, [], ESTABLISHED)
    assert history.states == {ESTABLISHED}


def test_a_cookie_that_has_grown_old_is_refused_as_by_any_listener() -> None:
    history = _asked(crowded=True, state=CLOSED)
    history.passes(400_000 * MS, [], CLOSED)
    history.arrives(Segment(ACK, 1, 1, 65535), 400_000 * MS, [Sent(Segment(RST, 1), 2, 400_000 * MS)], CLOSED)
    assert history.states <= {CLOSED, SYN_RECEIVED}
