"""Loss × state: what is lost comes again, with all that it carried, in whatever state the connection is."""

from harness.spec import options
from harness.spec.segment import ACK, FIN, SYN, URG
from harness.spec.states import CLOSED, CLOSING, ESTABLISHED, LAST_ACK
from harness.stack.options import read
from testcases.selftest.interactions.lab import FULL, Lab
from testcases.selftest.interactions.proof import shows

STAMPS = options.NOP * 2 + options.timestamps(100, 0)


@shows("D346")
def data_and_fin_lost_in_last_ack_come_again(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK)
    peer.expect(ACK)
    sock.send(b"text")
    sock.close()
    peer.skip()
    assert peer.state is LAST_ACK
    peer.after(1, ACK | FIN, seq=1, data=b"text")


@shows("D347")
def data_and_fin_lost_in_closing_come_again(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    sock.close()
    peer.skip()
    peer.send(FIN | ACK, ack=1)
    peer.expect(ACK, ack=2)
    assert peer.state is CLOSING
    peer.after(1, ACK | FIN, seq=1, data=b"text")


@shows("D348")
def the_fin_is_repeated_when_only_the_data_before_it_is_acknowledged(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK)
    sock.shutdown()
    peer.expect(FIN | ACK, seq=5)
    peer.send(ACK, ack=5)
    peer.after(1, FIN | ACK, seq=5)


@shows("D349")
def losses_that_were_healed_are_forgotten(lab: Lab) -> None:
    sock, peer = lab.opened()
    for number in range(6):
        sock.send(b"text")
        peer.skip()
        peer.sleep(61)
        peer.expect(ACK, seq=1 + 4 * number, data=b"text")
        peer.skip()
        peer.send(ACK, ack=5 + 4 * number)
    assert peer.state is ESTABLISHED


@shows("D350")
def a_repeated_syn_ack_has_a_window_scale(lab: Lab) -> None:
    lab.listen()
    peer = lab.peer()
    peer.send(SYN, options=FULL + options.window_scale(7) + options.NOP)
    first = read(peer.expect(SYN | ACK).options).window_scale
    again = read(peer.after(1, SYN | ACK).options).window_scale
    assert first == again is not None


@shows("D351")
def a_repeated_syn_offers_timestamps(lab: Lab) -> None:
    _sock, peer = lab.connecting()
    peer.skip()
    assert read(peer.after(1, SYN).options).timestamps is not None


@shows("D352")
def repeated_data_has_a_timestamp_of_now(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + STAMPS)
    sock.send(b"text")
    first = read(peer.expect(ACK).options).timestamps
    again = read(peer.after(1, ACK, data=b"text").options).timestamps
    assert first is not None
    assert again is not None
    assert (again[0] - first[0]) & 0xFFFFFFFF >= 1000


@shows("D353")
def repeated_data_is_still_urgent(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text", urgent=True)
    assert peer.expect(ACK | URG, seq=1).urgent == 4
    assert peer.after(1, ACK | URG, seq=1).urgent == 4


@shows("D354")
def repeated_data_acknowledges_what_has_come_since(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.skip()
    peer.send(ACK, b"more", ack=1)
    peer.expect(ACK, ack=5)
    peer.after(1, ACK, seq=1, ack=5, data=b"text")


@shows("D355")
def each_repeated_fin_is_acknowledged_in_time_wait(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.close()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=2)
    for _ in range(3):
        peer.send(FIN | ACK, seq=1)
        peer.expect(ACK, ack=2)


@shows("D356")
def a_fin_is_repeated_as_often_as_it_is_lost(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    for interval in (1, 2, 4):
        peer.after(interval, FIN | ACK, seq=1)


@shows("D357")
def a_segment_lost_in_its_fast_retransmit_comes_once_more(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"x" * 1460 * 4)
    peer.skip()
    for _ in range(3):
        peer.send(ACK, ack=1)
    peer.expect(ACK, seq=1)
    peer.skip()
    lab.wait(4)
    peer.expect(ACK, seq=1)


@shows("D358")
def a_repeated_syn_ack_is_answered_though_data_is_under_way(lab: Lab) -> None:
    sock, peer = lab.connected()
    sock.send(b"text")
    peer.skip()
    peer.send(SYN | ACK, seq=0, ack=1)
    peer.expect(ACK, ack=1)


@shows("D359")
def a_repeated_syn_is_answered_after_our_repetition(lab: Lab) -> None:
    lab.listen()
    peer = lab.peer()
    peer.send(SYN)
    peer.skip()
    peer.after(1, SYN | ACK)
    peer.send(SYN, seq=0)
    lab.collect()
    assert peer.inbox


@shows("D360")
def giving_up_counts_from_the_last_progress(lab: Lab) -> None:
    sock, peer = lab.opened()
    for _ in range(3):
        sock.send(b"text")
        lab.wait(150)
        assert peer.state is not CLOSED
        peer.expect(ACK, data=b"text")
        peer.skip()
        peer.send(ACK)
    assert peer.state is ESTABLISHED
