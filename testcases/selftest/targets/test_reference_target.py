"""Target ``reference``: virtual time, what reaches the stack and what does not, settings."""

import select

import pytest

from harness.observe.snapshot import FourTuple
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.spec.states import CLOSED, SYN_RECEIVED, SYN_SENT
from harness.targets.protocol import Adjustable, Capability, UnusableTarget
from harness.targets.reference.target import ReferenceTarget
from harness.targets.registry import Settings, open_target, parse
from harness.targets.sockets import WatchedSocket
from harness.wire import codec

BROADCAST_MAC = b"\xff" * 6


def syn(target: ReferenceTarget, version: int = 4, **changes: int) -> bytes:
    addresses = target.addresses(version)
    path = codec.Path(addresses.peer[0], addresses.target[0])
    return codec.encode(path, Segment(SYN, 5, source_port=40_000, destination_port=80), **changes)


def sent(target: ReferenceTarget, packet: bytes, mac: bytes | None = None) -> list[int]:
    return [codec.decode(arrival.packet).segment.flags for arrival in target.exchange([packet], mac)]


def connecting(target: ReferenceTarget) -> FourTuple:
    ours, theirs = target.addresses(4).target[0], target.addresses(4).peer[0]
    target.socket(4).connect((ours, 1024), (theirs, 80))
    assert len(target.waiting()) == 1
    return FourTuple(ours, 1024, theirs, 80)


@pytest.mark.parametrize("version", [4, 6])
def test_a_closed_port_resets_and_a_listener_answers(version: int) -> None:
    target = ReferenceTarget()
    assert sent(target, syn(target, version)) == [RST | ACK]
    target.socket(version).listen(target.addresses(version).target[0], 80, 10)
    assert sent(target, syn(target, version)) == [SYN | ACK]


def test_what_is_not_for_tcp_draws_nothing() -> None:
    target = ReferenceTarget()
    assert sent(target, syn(target, checksum_error=1)) == []
    assert sent(target, syn(target), BROADCAST_MAC) == []
    assert sent(target, syn(target)[:30]) == []


def test_waiting_ends_with_the_first_packet() -> None:
    target = ReferenceTarget()
    connecting(target)
    begun = target.clock.now_ns()
    target.clock.wait(100)
    assert target.clock.now_ns() - begun == 1_000_000_000
    assert [arrival.time_ns - begun for arrival in target.waiting()] == [1_000_000_000]
    target.clock.wait(0.5)
    assert target.clock.now_ns() - begun == 1_500_000_000


def test_forgotten_connections_are_silent() -> None:
    target = ReferenceTarget()
    tuple4 = connecting(target)
    assert target.snapshot(tuple4).state is SYN_SENT
    target.forget_connections()
    assert target.snapshot(tuple4).state is CLOSED
    target.clock.wait(1000)
    assert target.waiting() == []


def test_settings_hold_for_their_context_only() -> None:
    target = ReferenceTarget(settings={"tcp_timestamps": "0"})
    assert isinstance(target, Adjustable)
    assert target.facts.sysctls["net.ipv4.tcp_timestamps"] == "0"
    with target.setting("net.ipv4.tcp_challenge_ack_limit", "1"):
        assert target.stack.config.challenge_limit == 1
    assert target.stack.config.challenge_limit > 1


@pytest.mark.parametrize(("name", "value"), [("tcp_wmem", "1"), ("tcp_fin_timeout", "soon")])
def test_settings_that_it_lacks_are_refused(name: str, value: str) -> None:
    with pytest.raises(UnusableTarget, match=name):
        ReferenceTarget(settings={name: value})


def test_the_registry_opens_it_for_timer_cases_too() -> None:
    for timers in (False, True):
        target = open_target(parse("reference"), Settings(), timers=timers)
        assert Capability.VIRTUAL_TIME in target.capabilities
        assert target.guard_s(syn_sent=True) == 1.0
        target.socket(4).listen(target.addresses(4).target[0], 80, 10)
        assert isinstance(target, ReferenceTarget)
        assert sent(target, syn(target)) == [SYN | ACK]
        addresses = target.addresses(4)
        assert target.snapshot(FourTuple(addresses.target[0], 80, addresses.peer[0], 40_000)).state is SYN_RECEIVED
        target.close()


def test_its_sockets_can_be_polled_and_its_calls_wait() -> None:
    target = ReferenceTarget()
    ours = target.addresses(4).target[0]
    listener = target.socket(4)
    assert isinstance(listener, WatchedSocket)
    listener.listen(ours, 80, 10)
    accepting = listener.start("accept")
    (syn_ack,) = target.exchange([syn(target)])
    assert not accepting.done
    numbers = codec.decode(syn_ack.packet).segment
    path = codec.Path(target.addresses(4).peer[0], ours)
    ack = Segment(ACK, 6, numbers.seq + 1, source_port=40_000, destination_port=80)
    target.exchange([codec.encode(path, ack)])
    assert accepting.result().poll() == select.POLLOUT
    assert (accepting.result().local(), accepting.result().edges()) == ((ours, 80), select.POLLOUT)
    assert listener.poll() == 0


def test_its_numbers_begin_where_a_setting_says() -> None:
    target = ReferenceTarget(settings={"reference.iss": "4294967290"}, beginning_ns=2**31 * 1_000_000)
    target.socket(4).connect((target.addresses(4).target[0], 1024), (target.addresses(4).peer[0], 80))
    assert codec.decode(target.waiting()[0].packet).segment.seq == 4294967290
    assert target.clock.now_ns() == 2**31 * 1_000_000
    with target.setting("reference.iss", ""):
        assert target.stack.config.iss is None
