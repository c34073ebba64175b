"""Two observers of the same kernel: sock_diag and the text of `ss` must say the same about every state."""

import socket
from collections.abc import Iterator

import pytest

from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.target_side import TargetSide
from harness.case.violation import Unjudgeable
from harness.case.walks import ACTIVE, CLOSE, PASSIVE, SHUTDOWN, SIMULTANEOUS, Walk, walk
from harness.observe import sockdiag, ss
from harness.observe.snapshot import FourTuple, Snapshot
from harness.observe.ss import UnreadableSs
from harness.spec.segment import ACK, PSH
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    State,
)
from harness.targets.namespace.target import LinuxTarget
from harness.targets.protocol import UnusableTarget

ROUTES = {
    "closed": Walk(CLOSED),
    "listen": Walk(LISTEN),
    "syn-sent": Walk(SYN_SENT),
    "syn-received-of-a-listener": Walk(SYN_RECEIVED, PASSIVE),
    "syn-received-of-an-active-opener": Walk(SYN_RECEIVED, ACTIVE),
    "established": Walk(ESTABLISHED),
    "established-actively": Walk(ESTABLISHED, ACTIVE),
    "established-simultaneously": Walk(ESTABLISHED, SIMULTANEOUS),
    "established-beside-its-listener": Walk(ESTABLISHED, keep_listener=True),
    "fin-wait-1-by-shutdown": Walk(FIN_WAIT_1, closed_by=SHUTDOWN),
    "fin-wait-1-by-close": Walk(FIN_WAIT_1, closed_by=CLOSE),
    "fin-wait-2-by-shutdown": Walk(FIN_WAIT_2, closed_by=SHUTDOWN),
    "fin-wait-2-by-close": Walk(FIN_WAIT_2, closed_by=CLOSE),
    "closing": Walk(CLOSING),
    "time-wait": Walk(TIME_WAIT),
    "close-wait": Walk(CLOSE_WAIT),
    "last-ack": Walk(LAST_ACK),
}
#: What the raw record of the kernel is called by both; a listener is what is left when a connection is gone.
RECORDS = {LISTEN: CLOSED}


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    try:
        kernel = LinuxTarget()
    except UnusableTarget as reason:
        pytest.skip(str(reason))
    if not kernel.has_ss:
        kernel.close()
        pytest.skip("the program ss is missing (package iproute2), so there is no second observer to compare with")
    rig = Rig(kernel)
    try:
        yield rig
    finally:
        rig.sweep()
        rig.close()


class Stage:
    """A connection brought to a state."""

    def __init__(self, rig: Rig, version: int, route: Walk) -> None:
        self.rig = rig
        self.conversation = rig.begin(version, name="selftest/observers")
        self.target = TargetSide(self.conversation.main)
        self.peer = PeerSide(self.conversation.main)
        walk(self.target, self.peer, route)

    @property
    def tuple4(self) -> FourTuple:
        return self.conversation.main.tuple4

    def by_sock_diag(self) -> Snapshot:
        snapshot = self.rig.target.snapshot(self.tuple4)
        assert snapshot is not None
        return snapshot

    def by_ss(self) -> Snapshot:
        return ss.parse(self.text(), self.tuple4)

    def text(self) -> str:
        text = self.rig.target.evidence(self.tuple4)
        assert text is not None
        return text


def test_the_routes_lead_to_all_eleven_states() -> None:
    assert {route.state for route in ROUTES.values()} == set(State)


@pytest.mark.parametrize("version", [4, 6], ids="ipv{}".format)
@pytest.mark.parametrize("name", ROUTES)
def test_both_observers_see_the_state_that_the_walk_leads_to(rig: Rig, name: str, version: int) -> None:
    route = ROUTES[name]
    stage = Stage(rig, version, route)
    seen = stage.by_sock_diag()
    assert seen == stage.by_ss()
    assert seen.state is RECORDS.get(route.state, route.state)
    assert seen.listening is (route.state is LISTEN)


@pytest.mark.parametrize("version", [4, 6], ids="ipv{}".format)
@pytest.mark.parametrize("name", [name for name, route in ROUTES.items() if route.state not in (CLOSED, LISTEN)])
def test_the_evidence_names_the_connection(rig: Rig, name: str, version: int) -> None:
    """A person who reads the text must find the 4-tuple that the ladder speaks of."""
    stage = Stage(rig, version, ROUTES[name])
    near, far = str(stage.tuple4).split(" <-> ")
    (line,) = [line for line in stage.text().splitlines() if far in line.split()]
    assert near in line.split()
    assert ss.SS_STATES[line.split()[0]] is ROUTES[name].state


def test_the_evidence_of_an_absent_connection_is_empty(rig: Rig) -> None:
    assert Stage(rig, 4, Walk(CLOSED)).text().strip() == ""


def test_a_closed_half_socket_is_another_machine_and_both_observers_show_it(rig: Rig) -> None:
    """Linux keeps a mere time-wait record for FIN-WAIT-2 after close(), and for TIME-WAIT."""
    minis = {name for name, route in ROUTES.items() if Stage(rig, 4, route).by_sock_diag().mini}
    assert minis == {"fin-wait-2-by-close", "time-wait"}
    assert minis == {name for name, route in ROUTES.items() if Stage(rig, 4, route).by_ss().mini}


def test_both_observers_count_the_octets_that_wait(rig: Rig) -> None:
    stage = Stage(rig, 4, Walk(ESTABLISHED))
    stage.peer.send(PSH | ACK, b"unread")
    stage.target.must_send(ACK)
    stage.target.send(b"unacknowledged")
    stage.target.must_send(PSH | ACK, data=b"unacknowledged")
    assert stage.by_sock_diag() == stage.by_ss() == Snapshot(ESTABLISHED, False, 6, 14)


def test_one_connection_is_not_taken_for_its_neighbour(rig: Rig) -> None:
    """A connection from another port of the peer, or to another port of the target, was never there."""
    stage = Stage(rig, 4, Walk(ESTABLISHED))
    neighbour = stage.tuple4._replace(peer_port=stage.tuple4.peer_port - 1)
    elsewhere = stage.tuple4._replace(port=rig.fresh_ports()[0])
    for other in (neighbour, elsewhere):
        assert rig.target.snapshot(other) == Snapshot(CLOSED)
        assert ss.parse(rig.target.evidence(other) or "", other) == Snapshot(CLOSED)
        assert ss.parse(stage.text(), other) == Snapshot(CLOSED)


def test_observers_that_contradict_each_other_are_an_error_of_ours(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rig lets `ss` confirm the first occurrence of each state, so a wrong table of states can't stay unseen."""
    swapped = sockdiag.KERNEL_STATES | {4: FIN_WAIT_2, 5: FIN_WAIT_1}
    monkeypatch.setattr(sockdiag, "KERNEL_STATES", swapped)
    rig.discard()  # connections of before could speak meanwhile, and would be nobody's for the second rig
    suspicious = Rig(rig.target)
    with pytest.raises(Unjudgeable, match="sock_diag says FIN-WAIT-2, ss says FIN-WAIT-1"):
        Stage(suspicious, 4, Walk(FIN_WAIT_1))


TUPLE = FourTuple("198.51.100.1", 80, "198.51.100.2", 60001)
ESTAB = "ESTAB 0      0      198.51.100.1:80     198.51.100.2:60001 ino:7 sk:1 <->"


@pytest.mark.parametrize(
    "line",
    [
        "State Recv-Q Send-Q Local Address:Port Peer Address:Port",
        "ESTABLISHED 0 0 198.51.100.1:80 198.51.100.2:60001",
        "ESTAB 0",
        "ESTAB x 0 198.51.100.1:80 198.51.100.2:60001",
        "tcp ESTAB 0 0 198.51.100.1:80 198.51.100.2:60001",
        "Error: an inet prefix is expected rather than '['.",
        "Cannot open netlink socket: Operation not permitted",
    ],
)
def test_a_foreign_line_is_refused_and_quoted(line: str) -> None:
    for text in (line, f"{ESTAB}\n{line}\n"):
        with pytest.raises(UnreadableSs, match="can't be read") as refusal:
            ss.parse(text, TUPLE)
        assert line in str(refusal.value)


@pytest.mark.parametrize(("word", "state"), ss.SS_STATES.items())
def test_every_state_of_ss_is_read(word: str, state: State) -> None:
    found = ss.parse(ESTAB.replace("ESTAB", word) + "\n\t cubic rto:200", TUPLE)
    assert found == (Snapshot(CLOSED, listening=True) if state is LISTEN else Snapshot(state))


def test_a_scope_behind_an_address_is_no_part_of_it() -> None:
    assert ss.parse(ESTAB.replace("198.51.100.1:80", "198.51.100.1%veth0:80"), TUPLE).state is ESTABLISHED


def test_an_answer_of_sock_diag_to_somebody_elses_question_is_refused() -> None:
    error = sockdiag._HEADER.pack(20, sockdiag.NLMSG_ERROR, 0, 1, 0) + (-1).to_bytes(4, "little", signed=True)
    with pytest.raises(sockdiag.DiagError, match="Operation not permitted"):
        sockdiag.parse(error)


def test_the_request_of_sock_diag_names_both_ends_in_network_order() -> None:
    message = sockdiag.request(sockdiag.SOCK_DIAG_BY_FAMILY, sockdiag.NLM_F_REQUEST, 9, TUPLE)
    assert len(message) == int.from_bytes(message[:4], "little") == 72
    assert message[24:28] == bytes((0, 80)) + (60001).to_bytes(2, "big")
    assert message[28:32] == socket.inet_aton(TUPLE.address)
    assert message[44:48] == socket.inet_aton(TUPLE.peer_address)


def test_ss_shows_a_connection_of_ipv4_at_a_socket_of_ipv6() -> None:
    text = "SYN-RECV 0 0 [::ffff:192.0.2.1]:80 [::ffff:192.0.2.2]:5 timer:(on,988ms,0)\n"
    assert ss.parse(text, FourTuple("192.0.2.1", 80, "192.0.2.2", 5)).state is State.SYN_RECEIVED
