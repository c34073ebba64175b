"""Where two ordinary things meet in everyday numbers, tables, options, packets and calls."""

from harness.spec import options, seqno
from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import CLOSED
from harness.stack.config import NS
from harness.stack.readiness import Ready
from harness.wire import forms
from testcases.selftest.interactions.fresh_courses import again
from testcases.selftest.interactions.lab import FULL, Lab, text
from testcases.selftest.interactions.proof import shows

#: What a clock of milliseconds in 32 bits takes for one round.
ROUND_NS = (1 << 32) * 1_000_000


@shows("D868")
def the_next_life_begins_above_the_wrap(lab: Lab) -> None:
    lab.config.iss = 2**32 - 10
    listener = lab.listen()
    sock, peer = lab.opened(listener)
    sock.send(b"x" * 20)
    peer.expect(ACK)
    peer.send(ACK)
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    begun = again(lab, peer)
    begun.send(SYN, options=FULL)
    begun.expect(SYN | ACK)
    assert peer.irs is not None
    assert begun.irs is not None
    assert seqno.lt(seqno.add(peer.irs, 21), begun.irs)


@shows("D869", beginning_ns=ROUND_NS - 2 * NS)
def a_round_trip_is_short_over_the_wrap_too(lab: Lab) -> None:
    sock, peer = lab.opened()
    lab.wait(1.9)
    sock.send(b"text")
    peer.expect(ACK, data=b"text")
    lab.wait(0.2)
    peer.send(ACK)
    sock.send(b"lost")
    peer.expect(ACK, data=b"lost")
    peer.sleep(5)
    peer.expect(ACK, data=b"lost")


@shows("D870")
def what_comes_late_takes_no_window_back(lab: Lab) -> None:
    sock, peer = lab.opened(iss=2**32 - 5)
    peer.send(ACK, b"second", seq=9, window=1000)
    peer.skip()
    peer.send(ACK, b"firstone", seq=1, window=0)
    peer.skip()
    sock.send(b"text")
    peer.expect(ACK, data=b"text")


@shows("D871")
def each_connection_has_its_keep_alives(lab: Lab) -> None:
    listener = lab.listen()
    listener.settings.keep_alive, listener.settings.keep_alive_idle_s = True, 100
    _first, peer = lab.opened(listener)
    _second, other = lab.opened(listener)
    peer.sleep(101)
    peer.expect(ACK, seq=0)
    other.expect(ACK, seq=0)


@shows("D872")
def each_listener_wakes_its_own_accept(lab: Lab) -> None:
    first = lab.listen(80)
    lab.listen(443)
    call = first.start_accept()
    lab.peer().open()
    assert call.done


@shows("D873")
def each_connection_has_timestamps_of_its_own(lab: Lab) -> None:
    listener = lab.listen()

    def stamped(value: int) -> bytes:
        return FULL + options.NOP * 2 + options.timestamps(value)

    sock, peer = lab.opened_with(stamped(5000), listener)
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    lab.peer().open(stamped(1000))


@shows("D874")
def a_shut_window_does_not_keep_resets_out(lab: Lab) -> None:
    listener = lab.listen()
    listener.settings.receive_buffer = 1000
    _sock, peer = lab.opened(listener)
    peer.send(ACK, b"x" * 1000)
    assert peer.expect(ACK, ack=1001).window == 0
    peer.send(RST | ACK)
    assert peer.state is CLOSED


@shows("D875")
def who_has_let_go_is_reset(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.close()
    peer.expect(FIN | ACK)
    peer.send(ACK)
    peer.send(RST | ACK)
    assert peer.state is CLOSED


@shows("D876")
def the_answer_to_an_old_segment_has_timestamps(lab: Lab) -> None:
    _sock, peer = lab.opened_with(FULL + options.NOP * 2 + options.timestamps(1000))
    peer.send(ACK, seq=0)
    assert options.timestamps_of(peer.expect(ACK).options) is not None


@shows("D877")
def a_little_old_acknowledgment_is_no_reason(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + options.NOP + options.window_scale(7))
    peer.send(ACK, window=500)
    sock.send(b"x" * 4000)
    peer.skip()
    peer.send(ACK, seq=5, ack=4001, window=500)
    peer.skip()
    peer.send(ACK, b"text", ack=1, window=500)
    peer.skip()
    assert text(sock) == b"text"


@shows("D878")
def a_bare_acknowledgment_has_a_timestamp_too(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + options.NOP * 2 + options.timestamps(1000))
    peer.send(ACK, options=options.NOP * 2 + options.timestamps(1500))
    sock.send(b"text")
    assert (options.timestamps_of(peer.expect(ACK).options) or (0, 0))[1] == 1500


@shows("D879")
def destination_options_may_lie_in_fragments(lab: Lab) -> None:
    lab.listen(address="::")
    peer = lab.peer(ip=6)
    peer.form = lambda packet: forms.fragmented(forms.with_extension(packet, forms.DESTINATION), (16,), 7)
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)


@shows("D880")
def text_stands_behind_forty_octets_of_options(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, b"text", options=options.NOP * 40)
    peer.expect(ACK, ack=5)
    assert text(sock) == b"text"


@shows("D881")
def what_a_call_has_queued_is_queued_once(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.settings.send_buffer = 1000
    sent = bytes(range(250)) * 14
    sock.start_send(sent)
    come = b""
    for _segment in range(20):
        lab.collect()
        while peer.inbox:
            come += peer.expect(ACK).payload
        peer.send(ACK)
    assert come == sent


@shows("D882")
def who_was_left_can_go_on_sending(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK)
    peer.expect(ACK)
    assert sock.poll() & Ready.OUT
