"""A SYN that carries more than the SYN: data, FIN, PSH, URG, the flags of ECN, a Fast Open option."""

from collections.abc import Callable

import pytest

from harness.case import (
    ACK,
    CLOSE_WAIT,
    CWR,
    ECE,
    EOF,
    ESTABLISHED,
    FIN,
    LISTEN,
    PSH,
    RST,
    SYN,
    SYN_RECEIVED,
    URG,
    Absolute,
    Capability,
    Peer,
    Segment,
    Target,
    cites,
    in_state,
    requires,
    segment,
)
from harness.spec import options

FAST_OPEN = 34


def _opened(target: Target, octets: int, check: Callable[[Segment], str] | None = None) -> int:
    """Demand the answer to a SYN with text; return what it acknowledges.

    Literally that is the SYN alone. A stack that has queued the text may say so: no sentence forbids to acknowledge
    what is kept, and a peer takes either (RFC 9293 §3.10.7.3 fourth). What must wait for the handshake is delivery.
    """
    answer = target.must_answer(
        segment(SYN | ACK, seq=0, ack=1, check=check, cites="RFC 9293 §3.10.7.2 third"),
        segment(SYN | ACK, seq=0, ack=1 + octets, check=check, cites="RFC 9293 §3.10.7.3 fourth"),
    )
    return answer.ack if answer else 1


@cites("RFC 9293 §3.5", "RFC9293-3.5-early-data", "RFC7413-2-default")
@in_state(LISTEN)
def test_data_on_the_syn_is_not_delivered_early(target: Target, peer: Peer) -> None:
    """Data on a SYN waits for the handshake; repeated behind it, it reaches the application once."""
    peer.send(SYN, b"early")
    due = _opened(target, 5)
    target.must_be(SYN_RECEIVED)
    target.accept_must_block()
    if due == 1:
        peer.send(ACK, b"early", seq=1)
        target.must_send(ACK, seq=1, ack=6)
    else:
        peer.send(ACK, seq=due)
    target.accept()
    target.must_deliver(b"early")
    target.must_not_deliver()


@cites("RFC 9293 §3.10.7.2 third")
@in_state(LISTEN)
def test_data_on_the_syn_is_kept(target: Target, peer: Peer) -> None:
    """Data on a SYN should be queued and acknowledged when the handshake completes, without being sent again."""
    peer.send(SYN, b"early", seq=0)
    due = _opened(target, 5)
    peer.send(ACK, seq=6, ack=1)
    if due == 1:
        target.should_send(ACK, seq=1, ack=6)
    target.must_be(ESTABLISHED)


@cites("RFC 9293 §3.5", "RFC9293-3.5-early-data")
@in_state(LISTEN)
def test_data_on_the_syn_of_a_failed_attempt_is_forgotten(target: Target, peer: Peer) -> None:
    """Data on an old duplicate SYN must not show up in the connection that the peer really opens."""
    peer.send(SYN, b"old junk", seq=0)
    peer.send(RST, seq=_opened(target, 8))
    target.must_be(LISTEN)
    peer.renew(5000)
    peer.send(SYN, seq=0)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK, b"new", seq=1)
    target.must_send(ACK, seq=1, ack=4)
    target.accept()
    target.must_deliver(b"new")


@cites("RFC7413-2-default", "RFC7413-4.1.1-malformed", "MUST-6")
@pytest.mark.parametrize("size", [0, 8, 3, 18], ids=["request", "cookie", "malformed-short", "malformed-long"])
@in_state(LISTEN)
def test_fast_open_that_nobody_asked_for_is_ignored(target: Target, peer: Peer, size: int) -> None:
    """Without Fast Open its option, well-formed or not, opens no shorter way: what is on the SYN waits."""
    peer.send(SYN, b"early", options=options.mss(1460) + options.unknown(FAST_OPEN, bytes(range(size))))
    due = _opened(target, 5, _without_fast_open)
    target.accept_must_block()
    peer.send(ACK, seq=due)
    # As any text on a SYN may be, behind the handshake.
    kept = due == 6 or target.may_send(ACK, seq=1, ack=6)
    target.must_be(ESTABLISHED)
    target.accept()
    if kept:
        target.must_deliver(b"early")
    else:
        target.must_not_deliver()


@cites("RFC 9293 §3.10.7.2 third")
@in_state(LISTEN)
def test_fin_on_the_syn_is_queued(target: Target, peer: Peer) -> None:
    """A SYN is answered although there is a FIN on it; the FIN closes only behind the handshake."""
    peer.send(SYN | FIN, seq=0)
    target.must_send(SYN | ACK, seq=0, ack=1)
    target.must_be(SYN_RECEIVED)
    peer.send(FIN | ACK, seq=1)
    target.must_send(ACK, seq=1, ack=2)
    target.must_be(CLOSE_WAIT)
    target.accept()
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.7.2 third", "RFC 9293 §3.10.7.4 eighth")
@in_state(LISTEN)
def test_text_and_fin_on_the_syn(target: Target, peer: Peer) -> None:
    """Whether text and FIN of a SYN are kept or sent again, the stream has the text, and its end stands behind it."""
    peer.send(SYN | FIN, b"text", seq=0)
    kept = target.may_send(SYN | ACK, seq=0, ack=5)
    if not kept and not target.may_send(SYN | ACK, seq=0, ack=1):
        target.may_send(RST | ACK, seq=Absolute(0))  # that it is answered is asked above
        return
    peer.send(ACK, seq=5 if kept else 1, ack=1)
    target.may_send(ACK, seq=1, ack=6)
    if not kept:
        target.may_send(ACK, seq=1, ack=5)
    peer.send(FIN | ACK, b"text", seq=1, ack=1)
    target.must_send(ACK, seq=1, ack=6)
    target.must_be(CLOSE_WAIT)
    target.accept()
    target.must_deliver(b"text")
    target.must_deliver(EOF)


@pytest.mark.parametrize("flags", [PSH, URG, PSH | URG], ids=["psh", "urg", "psh-urg"])
@cites("RFC 9293 §3.10.7.2 third")
@in_state(LISTEN)
def test_harmless_flags_on_the_syn(target: Target, peer: Peer, flags: int) -> None:
    """PSH and URG on a SYN change nothing: the handshake goes its way."""
    peer.send(SYN | flags)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.must_be(ESTABLISHED)


@requires(Capability.ECN)
@cites("SHLD-8")
@in_state(LISTEN)
def test_ecn_setup_syn_is_granted(target: Target, peer: Peer) -> None:
    """A SYN with ECE and CWR asks for ECN: the SYN,ACK should grant it with ECE alone, and must come in any case."""
    peer.send(SYN | ECE | CWR)
    target.should_answer(segment(SYN | ACK | ECE, seq=0, ack=1))
    peer.send(ACK)
    target.must_be(ESTABLISHED)


@pytest.mark.parametrize("flags", [ECE, CWR], ids=["ece", "cwr"])
@cites("SHLD-8", "RFC 9293 §3.10.7.2 third")
@in_state(LISTEN)
def test_half_an_ecn_setup_is_an_ordinary_syn(target: Target, peer: Peer, flags: int) -> None:
    """A SYN with only one of ECE and CWR does not ask for ECN, and is answered as if it had neither.

    Who can feed back accurately takes it for a request of that, and grants it by CWR (RFC 9768 §3.1.3).
    """
    peer.send(SYN | flags)
    target.must_answer(segment(SYN | ACK, seq=0, ack=1), segment(SYN | ACK | CWR, seq=0, ack=1))
    peer.send(ACK)
    target.must_be(ESTABLISHED)


def _without_fast_open(wire: Segment) -> str:
    return "" if options.find(wire.options, FAST_OPEN) is None else "no Fast Open option"
