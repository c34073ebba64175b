"""Where two ordinary things meet in numbers, tables, options, packets and calls that real stacks mistake."""

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN, URG
from harness.spec.states import CLOSED, ESTABLISHED
from harness.stack.config import NS
from harness.stack.readiness import Ready
from harness.wire import forms
from testcases.selftest.interactions.lab import FULL, Lab, text
from testcases.selftest.interactions.later import icmp
from testcases.selftest.interactions.proof import shows

#: What a clock of milliseconds in 32 bits takes for one round.
ROUND_NS = (1 << 32) * 1_000_000
ROUTING = 43


def stamped(value: int) -> bytes:
    return options.NOP * 2 + options.timestamps(value)


@shows("D903")
def a_window_may_reach_over_half(lab: Lab) -> None:
    sock, peer = lab.opened(iss=2**31 - 2000)
    peer.send(ACK, b"text")
    peer.skip()
    assert text(sock) == b"text"


@shows("D904")
def what_is_under_way_may_reach_over_half(lab: Lab) -> None:
    lab.config.iss = 2**31 - 10
    sock, peer = lab.opened()
    sock.send(b"x" * 20)
    peer.expect(ACK, seq=1)
    peer.send(ACK)
    peer.quiet(5)


@shows("D905", beginning_ns=ROUND_NS - 2 * NS)
def a_probe_comes_over_the_wrap_too(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    lab.wait(1.5)
    sock.send(b"text")
    peer.sleep(20)
    peer.expect(ACK, data=b"t")


@shows("D906")
def an_error_is_told_to_the_peer_that_it_is_about(lab: Lab) -> None:
    listener = lab.listen()
    _first, peer = lab.opened(listener, port=1234)
    _second, other = lab.opened(listener, port=1234, address=1)
    icmp(lab, other, 1, hard=True)
    assert (peer.state, other.state) == (ESTABLISHED, CLOSED)


@shows("D907")
def a_crossing_syn_is_for_the_caller(lab: Lab) -> None:
    lab.listen(5000)
    sock, peer = lab.connecting(5000)
    peer.expect(SYN)
    lab.wait(0.5)
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    assert sock.status() is ESTABLISHED


@shows("D908")
def two_handshakes_of_a_host(lab: Lab) -> None:
    lab.listen()
    peer, other = lab.peer(), lab.peer()
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)
    other.send(SYN, options=FULL)
    other.expect(SYN | ACK)
    peer.send(ACK)
    peer.quiet()
    assert peer.state is ESTABLISHED


@shows("D909")
def a_refusal_may_have_any_number(lab: Lab) -> None:
    _sock, peer = lab.connecting()
    peer.expect(SYN)
    peer.send(RST | ACK, seq=77)
    assert peer.state is CLOSED


@shows("D910")
def a_bare_reset_ends_what_we_have_opened(lab: Lab) -> None:
    _sock, peer = lab.connected()
    peer.send(RST)
    assert peer.state is CLOSED


@shows("D911")
def a_reset_may_acknowledge_all_that_was_sent(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"x" * 4380)
    peer.skip()
    peer.sleep(1.1)
    peer.expect(ACK, seq=1)
    peer.send(RST | ACK, ack=4381)
    assert peer.state is CLOSED


@shows("D912")
def a_shift_of_nothing_is_a_shift(lab: Lab) -> None:
    listener = lab.listen()
    peer = lab.peer()
    peer.send(SYN, options=FULL + options.NOP + options.window_scale(0))
    shift = options.window_scale_of(peer.expect(SYN | ACK).options)
    assert shift is not None
    peer.send(ACK, b"text")
    peer.sleep(1)
    assert peer.expect(ACK).window << shift <= lab.config.receive_buffer
    listener.close()


@shows("D913")
def an_old_fin_is_old(lab: Lab) -> None:
    _sock, peer = lab.opened_with(FULL + stamped(5000))
    peer.send(FIN | ACK, options=stamped(4000))
    peer.expect(ACK, ack=1)


@shows("D914")
def a_block_tells_what_was_kept(lab: Lab) -> None:
    listener = lab.listen()
    listener.settings.receive_buffer = 3000
    _sock, peer = lab.opened(listener)
    peer.send(ACK, b"x" * 1000, seq=2501)
    blocks = options.find(peer.expect(ACK, ack=1).options, options.KIND_SACK)
    assert blocks is not None
    assert int.from_bytes(blocks[4:8], "big") - int.from_bytes(blocks[:4], "big") == 500


@shows("D915")
def what_is_sent_again_leaves_room_for_timestamps(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + stamped(5000))
    sock.send(b"x" * 5792)
    peer.skip()
    peer.sleep(1.1)
    assert len(peer.expect(ACK, seq=1).payload) <= 1448
    peer.send(ACK, ack=1449)
    peer.sleep(1)
    assert max(len(segment.payload) for segment in peer.inbox) <= 1448


@shows("D916")
def the_end_of_the_list_is_the_end(lab: Lab) -> None:
    sock, peer = lab.opened_with(bytes(4) + options.mss(1460))
    sock.send(b"x" * 2000)
    assert len(peer.expect(ACK, seq=1).payload) == 536


@shows("D917")
def a_used_up_route_is_no_reason(lab: Lab) -> None:
    lab.listen(address="::")
    peer = lab.peer(ip=6)
    peer.form = lambda packet: [forms.with_extension(packet, ROUTING, bytes((4, 0, 0, 0, 0, 0)))]
    peer.open()


@shows("D918")
def the_last_fragment_may_be_tiny(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.form = lambda packet: forms.fragmented(packet, (16,), 7)
    peer.send(ACK, b"two")
    peer.skip()
    assert text(sock) == b"two"


@shows("D919")
def a_fin_may_be_urgent(lab: Lab) -> None:
    _sock, peer = lab.opened()
    peer.send(FIN | ACK | URG, b"text")
    peer.expect(ACK, ack=6)


@shows("D920")
def who_waits_for_a_connection_hears_of_close(lab: Lab) -> None:
    peer = lab.peer(own=5000)
    sock = lab.stack.socket()
    call = sock.start_connect(peer.there, peer.here)
    peer.expect(SYN)
    sock.close()
    lab.collect()
    lab.wait(1)
    assert call.done


@shows("D921")
def each_connection_is_an_edge(lab: Lab) -> None:
    listener = lab.listen()
    lab.peer().open()
    assert listener.edges() & Ready.IN
    lab.peer().open()
    assert listener.edges() & Ready.IN


@shows("D922")
def text_is_read_once(lab: Lab) -> None:
    sock, peer = lab.opened()
    first, second = sock.start_recv(100), sock.start_recv(100)
    peer.send(ACK, b"text")
    peer.skip()
    assert first.done
    assert not second.done
