"""What a case sees of a server's connection, segment by segment: echoes, FINs that wait, numbers that are moved."""

import time

import pytest

from harness.spec.segment import ACK, FIN, PSH, RST, SYN, Segment
from harness.targets.protocol import NotOffered
from harness.targets.wired.channel import Channel
from harness.targets.wired.packet import TcpPacket
from harness.targets.wired.servers import SERVERS
from harness.wire import codec

TO, FRO = codec.Path("198.51.100.2", "198.51.100.1"), codec.Path("198.51.100.1", "198.51.100.2")


class Talk:
    """A channel to an echo server that has been opened: the server's ISS is 1000, the peer's 100."""

    def __init__(self, kind: str = "echo", *, timed: bool = False) -> None:
        self.injected: list[TcpPacket] = []
        self.channel = Channel(SERVERS[kind], 5000, self._inject, timed=timed)
        self.send(SYN, 100, 0)
        self.hear(SYN | ACK, 1000, 101)
        self.send(ACK, 101, 1001)

    def _inject(self, packet: bytes) -> None:
        found = TcpPacket.read(packet)
        assert found is not None
        assert found.sound
        self.injected.append(found)

    def send(self, flags: int, seq: int, ack: int, data: bytes = b"") -> TcpPacket:
        segment = Segment(flags, seq, ack, 8000, data, source_port=60000, destination_port=5000)
        seen = TcpPacket.read(codec.encode(TO, segment))
        assert seen is not None
        sent = TcpPacket.read(self.channel.inward(seen))
        assert sent is not None
        assert sent.sound
        return sent

    def hear(self, flags: int, seq: int, ack: int, data: bytes = b"") -> list[tuple[int, int, int, bytes]]:
        port = self.channel.server.port
        segment = Segment(flags, seq, ack, 8000, data, source_port=port, destination_port=60000)
        seen = TcpPacket.read(codec.encode(FRO, segment))
        assert seen is not None
        shown = [codec.decode(packet) for packet in self.channel.outward(seen)]
        assert all(packet.checksums_ok and packet.segment.source_port == 5000 for packet in shown)
        return [(each.segment.flags, each.segment.seq, each.segment.ack, each.segment.payload) for each in shown]


def test_an_echo_is_what_the_application_received_and_is_acknowledged() -> None:
    talk = Talk()
    talk.send(ACK, 101, 1001, b"text")
    assert talk.hear(ACK | PSH, 1001, 105, b"text") == [(ACK, 1001, 105, b"")]
    assert talk.channel.read(10) == b"text"
    assert (talk.injected[0].seq, talk.injected[0].ack) == (105, 1005)
    assert talk.send(ACK, 105, 1001).ack == 1005
    assert talk.hear(ACK, 1005, 105) == [(ACK, 1001, 105, b"")]


def test_an_echo_is_due_as_soon_as_text_is_acknowledged_and_until_it_has_come() -> None:
    talk = Talk()
    assert not talk.channel.expects_an_echo
    talk.send(ACK, 101, 1001, b"text")
    assert not talk.channel.expects_an_echo
    talk.hear(ACK, 1001, 105)
    assert talk.channel.expects_an_echo
    talk.hear(ACK | PSH, 1001, 105, b"te")
    assert talk.channel.expects_an_echo
    talk.hear(ACK | PSH, 1003, 105, b"xt")
    assert not talk.channel.expects_an_echo
    assert talk.channel.read(10) == b"text"


def test_what_the_application_is_told_to_send_is_had_by_an_echo() -> None:
    talk = Talk()
    talk.channel.say(b"hello")
    assert (talk.injected[0].seq, talk.injected[0].payload) == (101, b"hello")
    assert talk.hear(ACK, 1001, 106) == []
    assert talk.hear(ACK | PSH, 1001, 106, b"hello") == [(ACK | PSH, 1001, 101, b"hello")]
    assert (talk.send(ACK, 101, 1006).seq, talk.hear(ACK, 1006, 106)) == (106, [(ACK, 1006, 101, b"")])


def test_behind_an_echo_that_is_not_acknowledged_another_may_wait() -> None:
    talk = Talk()
    talk.channel.say(b"hello")
    talk.hear(ACK | PSH, 1001, 106, b"hello")
    with pytest.raises(NotOffered, match="Nagle"):
        talk.channel.say(b"again")
    talk.send(ACK, 101, 1006)
    talk.channel.say(b"again")


def test_a_fin_waits_for_the_call_and_nothing_is_asked_meanwhile() -> None:
    talk = Talk()
    talk.send(FIN | ACK, 101, 1001)
    assert talk.hear(FIN | ACK, 1001, 102) == [(ACK, 1001, 102, b"")]
    assert talk.channel.read(10) == b""
    with pytest.raises(NotOffered, match="closes as soon as its peer has"):
        talk.send(ACK, 102, 1001)
    (fin,) = talk.channel.close()
    segment = codec.decode(fin.packet).segment
    assert (segment.flags, segment.seq, segment.ack) == (FIN | ACK, 1001, 102)
    assert talk.send(ACK, 102, 1002).ack == 1002


def test_a_server_that_closes_by_itself_is_noted_and_its_fin_kept_back() -> None:
    talk = Talk()
    assert not talk.channel.left
    assert talk.hear(FIN | ACK, 1001, 101) == []
    assert talk.channel.left
    with pytest.raises(NotOffered):
        talk.send(ACK, 101, 1002)


def test_a_reset_that_refuses_an_acknowledgment_is_no_end_of_an_opening() -> None:
    opening = Talk.__new__(Talk)
    opening.injected = []
    opening.channel = Channel(SERVERS["echo"], 5000, opening._inject)
    opening.send(SYN, 100, 0)
    opening.hear(SYN | ACK, 1000, 101)
    opening.send(ACK, 101, 5000)
    assert opening.hear(RST, 5000, 0) == [(RST, 5000, 0, b"")]
    assert not opening.channel.reset
    opening.hear(RST, 1001, 0)
    assert opening.channel.reset


def test_a_web_server_closes_when_it_is_told_and_its_page_is_kept_from_the_case() -> None:
    talk = Talk("http")
    assert talk.channel.close() == []
    (question,) = talk.injected
    assert (question.seq, question.payload[:4]) == (101, b"GET ")
    behind = 101 + len(question.payload)
    assert talk.hear(ACK, 1001, behind) == []
    assert talk.hear(ACK | PSH, 1001, behind, b"page") == []
    assert talk.hear(FIN | ACK, 1005, behind) == [(FIN | ACK, 1001, 101, b"")]
    assert (talk.send(ACK, 101, 1002).seq, talk.send(ACK, 101, 1002).ack) == (behind, 1006)


def test_a_fin_on_the_end_of_a_page_has_the_number_behind_what_the_case_knows() -> None:
    talk = Talk("http")
    talk.channel.close()
    behind = 101 + len(talk.injected[0].payload)
    assert talk.hear(ACK, 1001, behind) == []
    assert talk.hear(ACK | PSH | FIN, 1001, behind, b"page") == [(FIN | ACK, 1001, 101, b"")]
    assert talk.send(ACK, 101, 1002).ack == 1006


def test_an_acknowledgment_that_the_fin_has_overtaken_is_told_once() -> None:
    talk = Talk()
    talk.send(FIN | ACK, 101, 1001)
    assert talk.hear(FIN | ACK, 1001, 102) == [(ACK, 1001, 102, b"")]
    assert talk.hear(ACK, 1001, 102) == []
    assert talk.hear(ACK, 1002, 102) == [(ACK, 1002, 102, b"")]


def test_a_fin_that_reaches_over_the_window_establishes_too_and_the_server_closes() -> None:
    talk = Talk.__new__(Talk)
    talk.injected, talk.channel = [], Channel(SERVERS["discard"], 5000, lambda _packet: None)
    talk.send(SYN, 100, 0)
    talk.hear(SYN | ACK, 1000, 101)
    talk.send(FIN | ACK, 100, 1001, b"x")
    talk.hear(ACK, 1001, 102)
    with pytest.raises(NotOffered, match="closes as soon as its peer has"):
        talk.send(ACK, 102, 1001)


def test_a_repetition_of_a_held_fin_is_counted_from_when_the_fin_came() -> None:
    talk = Talk()
    talk.send(FIN | ACK, 101, 1001)
    segment = Segment(FIN | ACK, 1001, 102, 8000, source_port=7, destination_port=60000)
    seen = TcpPacket.read(codec.encode(FRO, segment))
    assert seen is not None
    now_ns = time.time_ns()
    talk.channel.outward(seen, now_ns - 100_000_000)
    assert len(talk.channel.close()) == 1
    assert talk.channel.outward(seen, now_ns + 100_000_000) == []
    assert len(talk.channel.outward(seen, now_ns + 300_000_000)) == 1


def test_a_handshake_that_was_left_is_reset_too() -> None:
    talk = Talk.__new__(Talk)
    talk.injected, talk.channel = [], Channel(SERVERS["echo"], 5000, lambda _packet: None)
    talk.send(SYN, 100, 0)
    assert talk.channel.last_reset() is None
    talk.hear(SYN | ACK, 1000, 101)
    reset = TcpPacket.read(talk.channel.last_reset() or b"")
    assert reset is not None
    assert (reset.flags, reset.seq, reset.destination_port) == (RST | ACK, 101, 7)


def test_a_handshake_is_reset_behind_the_reset_that_refuses_a_wrong_acknowledgment_too() -> None:
    talk = Talk.__new__(Talk)
    talk.injected, talk.channel = [], Channel(SERVERS["echo"], 5000, lambda _packet: None)
    talk.send(SYN, 100, 0)
    talk.hear(SYN | ACK, 1000, 101)
    talk.send(RST | FIN, 101, 0)
    for refused in (1000, 1001):
        talk.hear(RST, refused, 0)
        reset = TcpPacket.read(talk.channel.last_reset() or b"")
        assert reset is not None
        assert (reset.flags, reset.seq) == (RST | ACK, 101)


def test_text_for_a_web_server_would_be_a_request() -> None:
    with pytest.raises(NotOffered, match="takes text for a request"):
        Talk("http").send(ACK, 101, 1001, b"text")


def test_a_server_that_never_stops_speaking_is_asked_for_its_handshake_and_reset_only() -> None:
    talk = Talk("chargen")
    assert talk.hear(ACK | PSH, 1001, 101, b" !#$") == []
    with pytest.raises(NotOffered, match="speaks all the time"):
        talk.send(FIN | ACK, 101, 1001)
    assert talk.send(RST, 101, 0).seq == 101


def test_both_zeros_of_a_checksum_are_right() -> None:
    packets = (
        codec.encode(FRO, Segment(ACK, seq, 101, 8000, source_port=7, destination_port=60000)) for seq in range(1 << 17)
    )
    zero = next(packet for packet in packets if packet[36:38] in (bytes(2), b"\xff\xff"))
    for text in (bytes(2), b"\xff\xff"):
        seen = TcpPacket.read(zero[:36] + text + zero[38:])
        assert seen is not None
        assert seen.sound
        moved = TcpPacket.read(seen.written(source_port=5000))
        assert moved is not None
        assert moved.sound


def test_a_reset_and_a_wrong_checksum_are_shown_as_they_are() -> None:
    talk = Talk()
    assert talk.hear(RST, 1001, 0) == [(RST, 1001, 0, b"")]
    segment = Segment(ACK, 1001, 101, source_port=7, destination_port=60000)
    seen = TcpPacket.read(codec.encode(FRO, segment, checksum_error=0x0101))
    assert seen is not None
    (shown,) = talk.channel.outward(seen)
    assert not codec.decode(shown).checksums_ok


def test_a_port_that_goes_on_listening_is_not_asked_whether_it_is_closed() -> None:
    talk = Talk()
    talk.channel.listener_closed = True
    talk.send(RST | ACK, 101, 1001)
    with pytest.raises(NotOffered, match="goes on listening"):
        talk.send(SYN, 9000, 0)


def test_a_connection_that_is_opened_anew_waits_for_its_answer_as_the_first() -> None:
    """Who answers late is asked another SYN meanwhile, and the answer counts; a SYN in a connection opens none."""
    talk = Talk()
    talk.send(SYN, 101, 0)
    assert not talk.channel.is_opening
    talk.send(RST, 101, 0)
    assert not talk.channel.is_opening
    talk.send(SYN, 100, 0)
    assert talk.channel.is_opening
    talk.hear(SYN | ACK, 2000, 101)
    assert not talk.channel.is_opening
