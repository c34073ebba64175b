"""Where two ordinary things meet in courses that real stacks stumble over: timers, losses, queues, ends, lives."""

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN, URG
from harness.spec.states import CLOSED, FIN_WAIT_1
from harness.wire import codec
from testcases.selftest.interactions.fresh_courses import again, filled, in_time_wait
from testcases.selftest.interactions.lab import FULL, Lab, text
from testcases.selftest.interactions.later import icmp
from testcases.selftest.interactions.proof import shows

SCALED = FULL + options.NOP + options.window_scale(7)


def stamped(value: int) -> bytes:
    return options.NOP * 2 + options.timestamps(value)


@shows("D883")
def r2_begins_behind_a_shut_window(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    peer.send(ACK)
    sock.send(b"text")
    peer.skip()
    lab.wait(400)
    assert peer.state is CLOSED


@shows("D884")
def a_send_leaves_the_back_off(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK, data=b"text")
    peer.after(1, ACK, seq=1)
    peer.after(2, ACK, seq=1)
    lab.wait(0.5)
    sock.send(b"more")
    peer.skip()
    peer.after(3.5, ACK, seq=1)


@shows("D885")
def a_soft_error_leaves_the_syn_ack(lab: Lab) -> None:
    lab.listen()
    peer = lab.peer()
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)
    icmp(lab, peer, 0, hard=False)
    peer.after(1, SYN | ACK, seq=0)


@shows("D886")
def a_half_closed_peer_is_probed(lab: Lab) -> None:
    listener = lab.listen()
    listener.settings.keep_alive, listener.settings.keep_alive_idle_s = True, 100
    _sock, peer = lab.opened(listener)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    peer.sleep(101)
    peer.expect(ACK, seq=0)


@shows("D887")
def a_fin_takes_the_delayed_ack_along(lab: Lab) -> None:
    lab.config.delayed_ack_s = 0.2
    sock, peer = lab.opened()
    peer.send(ACK, b"text")
    sock.shutdown()
    peer.expect(FIN | ACK, ack=5)


@shows("D888")
def what_was_sent_twice_is_not_measured(lab: Lab) -> None:
    sock, peer = lab.connecting()
    lab.wait(0.9)
    peer.expect(SYN)
    peer.send(SYN | ACK, options=FULL)
    peer.expect(ACK)
    sock.send(b"x" * 5840)
    lab.wait(2.5)
    peer.skip()
    for _ in range(3):
        peer.send(ACK, ack=1)
        peer.skip()
    peer.send(ACK, ack=5841)
    peer.skip()
    sock.send(b"lost")
    peer.expect(ACK, data=b"lost")
    peer.sleep(3)
    peer.expect(ACK, data=b"lost")


@shows("D889")
def a_timeout_brings_one_segment(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"x" * 7300)
    sock.shutdown()
    peer.skip()
    peer.after(1, ACK, seq=1)
    peer.quiet()


@shows("D890")
def a_fin_outlives_the_window(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK, seq=1)
    peer.send(ACK, ack=1, window=0)
    peer.sleep(10)
    peer.expect(FIN | ACK, seq=1)


@shows("D891")
def a_syn_ack_has_the_listeners_time_to_live(lab: Lab) -> None:
    listener = lab.listen()
    listener.settings.ttl = 3
    peer = lab.peer()
    lab.take = lambda packet: seen.append(codec.decode(packet).ttl)  # type: ignore[method-assign]
    seen: list[int] = []
    peer.send(SYN, options=FULL)
    assert seen == [3]


@shows("D892")
def the_stream_begins_behind_the_syn(lab: Lab) -> None:
    lab.listen()
    peer = lab.peer()
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)
    peer.send(ACK, b"second", seq=7)
    peer.expect(ACK, ack=1)


@shows("D893")
def an_old_timestamp_is_old_in_the_queue_too(lab: Lab) -> None:
    lab.listen()
    peer = lab.peer()
    peer.options = stamped(5000)
    peer.open(FULL + stamped(5000))
    peer.send(ACK, b"text", options=stamped(4000))
    peer.sleep(1)
    peer.expect(ACK, ack=1)


@shows("D894")
def a_fin_needs_room_for_one(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"t")
    sock.shutdown()
    peer.sleep(10)
    peer.expect(ACK, data=b"t")
    peer.ack = 2
    peer.send(ACK, window=10)
    peer.sleep(10)
    peer.expect(FIN | ACK, seq=2)


@shows("D895")
def a_slow_peer_gets_all(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"x" * 4000)
    sock.close()
    for ack in (1001, 2001, 3001):
        lab.wait(30)
        peer.skip()
        peer.send(ACK, ack=ack)
        peer.skip()
    assert peer.state is FIN_WAIT_1


@shows("D896")
def urgent_text_stays_so(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"urgent", urgent=True)
    sock.shutdown()
    peer.send(ACK)
    peer.expect(FIN | ACK | URG, data=b"urgent")


@shows("D897")
def a_former_syn_opens_nothing(lab: Lab) -> None:
    sock, peer = lab.connecting(5000)
    peer.expect(SYN)
    assert peer.irs is not None
    sock.close()
    lab.wait(1)
    following = again(lab, peer)
    sock = lab.stack.socket()
    sock.connect(following.there, following.here)
    following.expect(SYN)
    assert following.irs is not None
    late = peer.irs + 1 - following.irs
    following.send(SYN | ACK, ack=late)
    following.expect(RST)


@shows("D898")
def the_new_one_answers(lab: Lab) -> None:
    listener = lab.listen()
    peer = in_time_wait(lab, listener)
    begun = again(lab, peer)
    begun.send(SYN, options=FULL)
    begun.expect(SYN | ACK)
    begun.send(FIN | ACK, seq=1_000_000)
    begun.expect(ACK, seq=1, ack=1)


@shows("D899")
def nobody_has_closed_the_new_one(lab: Lab) -> None:
    listener = lab.listen()
    peer = in_time_wait(lab, listener)
    begun = again(lab, peer)
    begun.open()
    begun.quiet(1)


@shows("D900")
def a_half_closed_reader_opens_its_window(lab: Lab) -> None:
    sock, peer = filled(lab)
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(ACK)
    peer.skip()
    sock.recv(3000)
    peer.skip()
    peer.send(ACK, b"p")
    peer.sleep(1)
    assert peer.expect(ACK, ack=3002).window


@shows("D901")
def more_than_sixteen_bits_count(lab: Lab) -> None:
    sock, peer = lab.opened_with(SCALED)
    for _ in range(70):
        peer.send(ACK, b"x" * 1000)
        peer.skip()
    assert len(text(sock)) == 70_000


@shows("D902")
def a_late_reset_takes_nothing_along(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK, b"text")
    peer.expect(ACK)
    peer.send(RST)
    assert peer.state is CLOSED
    assert text(sock) == b"text"
