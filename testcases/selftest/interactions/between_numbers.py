"""Where two ordinary things meet in numbers, tables, packets and calls between the steps of a connection."""

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import ESTABLISHED, LAST_ACK
from harness.stack.config import NS
from harness.wire import forms
from testcases.selftest.interactions.lab import FULL, Lab, error, text
from testcases.selftest.interactions.packet_form import cut
from testcases.selftest.interactions.proof import shows

#: What a clock of milliseconds in 32 bits takes for one round.
ROUND_NS = (1 << 32) * 1_000_000


@shows("D840", beginning_ns=ROUND_NS - 50 * NS)
def silence_is_short_over_the_wrap_too(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.settings.keep_alive, sock.settings.keep_alive_idle_s = True, 100
    sock.settings_changed()
    lab.wait(40)
    peer.send(ACK)
    peer.quiet(90)
    peer.sleep(20)
    peer.expect(ACK, seq=0)


@shows("D841", beginning_ns=ROUND_NS - NS // 10)
def an_acknowledgment_is_delayed_over_the_wrap(lab: Lab) -> None:
    lab.config.delayed_ack_s = 0.2
    _sock, peer = lab.opened()
    peer.send(ACK, b"text")
    peer.sleep(0.5)
    peer.expect(ACK, ack=5)


@shows("D842")
def the_window_moves_over_the_wrap(lab: Lab) -> None:
    sock, peer = lab.opened(iss=2**32 - 80_000)
    for _segment in range(100):
        peer.send(ACK, b"x" * 1000)
        peer.skip()
        text(sock)
    lab.wait(1)
    peer.skip()
    peer.send(ACK, b"x" * 1000)
    peer.sleep(0.5)
    peer.expect(ACK, ack=101_001)


@shows("D843")
def the_other_version_has_ports_of_its_own(lab: Lab) -> None:
    lab.listen(address="::")
    _sock, peer = lab.opened(port=4000)
    other = lab.peer(port=4000, ip=6)
    other.open()
    peer.send(RST)
    assert other.state is ESTABLISHED


@shows("D844")
def each_address_refuses_for_itself(lab: Lab) -> None:
    peer = lab.peer(to=1)
    peer.send(SYN, options=FULL)
    peer.expect(RST | ACK)


@shows("D845")
def a_delayed_acknowledgment_does_not_move_the_window(lab: Lab) -> None:
    lab.config.delayed_ack_s = 0.2
    _sock, peer = lab.opened()
    peer.send(ACK, b"text")
    peer.send(RST | ACK, seq=1)
    assert peer.state is ESTABLISHED


@shows("D846")
def what_was_reset_in_the_handshake_is_not_accepted(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)
    peer.send(RST | ACK)
    assert error(listener.accept) != 0


@shows("D847")
def an_old_timestamp_ends_nothing(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + options.NOP * 2 + options.timestamps(1000, 0))
    peer.send(FIN | ACK)
    peer.expect(ACK)
    sock.shutdown()
    peer.expect(FIN | ACK, seq=1)
    peer.send(ACK, options=options.NOP * 2 + options.timestamps(900, 0))
    assert peer.state is LAST_ACK


@shows("D848")
def a_window_of_64_kibibytes_is_open(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + options.NOP + options.window_scale(6))
    peer.send(ACK, window=1024)
    sock.send(b"text")
    peer.expect(ACK, seq=1, data=b"text")


@shows("D849")
def a_fragment_may_come_twice(lab: Lab) -> None:
    _sock, peer = lab.opened()

    def late(packet: bytes) -> list[bytes]:
        first, second, third = cut(packet)
        return [first, first, third, second]

    peer.form = late
    peer.send(ACK, b"text of 20 octets...")
    peer.sleep(0.5)
    peer.expect(ACK, ack=21)


@shows("D850")
def an_atomic_fragment_is_whole(lab: Lab) -> None:
    lab.listen(address="::")
    peer = lab.peer(ip=6)
    peer.form = lambda packet: [
        forms.fragment(packet, 0, packet[40:48], 7, more=True),
        forms.fragment(packet, 0, packet[40:], 7, more=False),
    ]
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)


@shows("D851")
def each_accept_waits_for_its_own(lab: Lab) -> None:
    listener = lab.listen()
    first, second = listener.start_accept(), listener.start_accept()
    lab.peer().open()
    assert first.done
    assert not second.done


@shows("D852")
def the_end_of_the_peer_makes_no_room(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.settings.send_buffer = 1000
    peer.send(ACK, window=0)
    call = sock.start_send(b"x" * 3000)
    peer.send(FIN | ACK, window=0)
    assert not call.done
