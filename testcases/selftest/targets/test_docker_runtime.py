"""Another kernel in a container, by another runtime (gVisor), where the engine knows one."""

import contextlib
from collections.abc import Iterator

import pytest

from harness.case import ACK, FIN, RST, SYN
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.runner import Ending, run
from harness.case.target_side import TargetSide
from harness.case.walks import Walk
from harness.spec.segment import Segment
from harness.spec.states import CLOSE_WAIT, CLOSED, ESTABLISHED, LAST_ACK
from harness.targets import registry
from harness.targets.container.runtime import RuntimeTarget, connection
from harness.targets.protocol import Target, UnusableTarget
from harness.wire import codec
from testcases.selftest import container_engine

RUNTIME = "runsc"


def _open(options: str) -> Target:
    container_engine.image("linux")
    return registry.open_target(registry.parse(f"docker:linux,{options}"), registry.Settings())


@pytest.fixture(scope="module")
def gvisor() -> Iterator[RuntimeTarget]:
    with contextlib.closing(container_engine.client()) as client:
        known = client.info()["Runtimes"]
    if RUNTIME not in known:
        pytest.skip(f"gVisor is not tested: the engine knows no runtime {RUNTIME} (docker/gvisor/README.md)")
    opened = _open(f"runtime={RUNTIME}")
    assert isinstance(opened, RuntimeTarget)
    yield opened
    opened.close()


@pytest.fixture(scope="module")  # it gives every case ports of its own
def rig(gvisor: RuntimeTarget) -> Rig:
    return Rig(gvisor, guarded=False)


def _see(target: TargetSide, peer: PeerSide) -> None:
    """Walk through the states that TCP_INFO shows, and through one that it does not."""
    target.must_be(ESTABLISHED)
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=1, ack=2)
    target.must_be(CLOSE_WAIT)
    target.shutdown()
    target.must_send(FIN | ACK, seq=1, ack=2)
    target.must_be(LAST_ACK)


@pytest.mark.parametrize("version", [4, 6])
def test_it_is_not_the_machines_own_kernel_and_shows_its_states(version: int, rig: Rig) -> None:
    assert rig.target.facts.implementation == "gVisor"
    outcome = run(rig.begin(version, name="states"), Walk(ESTABLISHED), _see)
    assert (outcome.ending, outcome.findings) == (Ending.COMPLETED, []), outcome.message


def _refuse(target: TargetSide, peer: PeerSide) -> None:
    peer.send(SYN)
    target.must_send(RST | ACK, ack=1)


def test_only_one_kernel_answers(rig: Rig) -> None:
    """The one that holds the namespace has no address any more."""
    outcome = run(rig.begin(4, name="closed"), Walk(CLOSED), _refuse)
    assert (outcome.ending, outcome.findings) == (Ending.COMPLETED, []), outcome.message


def test_a_container_that_has_died_is_an_error_of_one_case(rig: Rig, gvisor: RuntimeTarget) -> None:
    conversation = rig.begin(4, name="dies")
    with contextlib.closing(container_engine.client()) as client:
        client.containers.get(gvisor._container.ident).kill()
    outcome = run(conversation, Walk(CLOSED), lambda side, _peer: side.listen())
    assert outcome.ending is Ending.HARNESS_ERROR
    rig.sweep()
    after = run(rig.begin(4, name="after"), Walk(ESTABLISHED), lambda side, _peer: side.must_be(ESTABLISHED))
    assert (after.ending, after.findings) == (Ending.COMPLETED, []), after.message


def test_an_unknown_runtime_is_a_usage_error_that_names_the_setting() -> None:
    with pytest.raises(UnusableTarget, match="the engine has no runtime 'nowhere'") as failure:
        _open("runtime=nowhere")
    assert "daemon.json" in failure.value.hint


def test_the_ordinary_runtime_is_no_gvisor() -> None:
    with pytest.raises(UnusableTarget, match="under the runtime runc runs no gVisor, but a kernel"):
        _open("runtime=runc")


@pytest.mark.parametrize("addresses", [("198.51.100.2", "198.51.100.1"), ("2001:db8:51::2", "2001:db8:51::1")])
def test_a_connection_has_one_name_in_both_directions(addresses: tuple[str, str]) -> None:
    peer, own = addresses
    there = codec.encode(codec.Path(peer, own), Segment(SYN, 1, source_port=5000, destination_port=80))
    back = codec.encode(codec.Path(own, peer), Segment(SYN | ACK, 1, 2, source_port=80, destination_port=5000))
    other = codec.encode(codec.Path(own, peer), Segment(SYN | ACK, 1, 2, source_port=81, destination_port=5000))
    assert connection(there, inwards=True) == connection(back, inwards=False) != b""
    assert connection(other, inwards=False) != connection(back, inwards=False)
