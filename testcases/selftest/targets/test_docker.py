"""The kernel in a container: the same verdicts as in a plain namespace, confined, and replaced when it dies."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from harness.agent import server
from harness.case import ACK, FIN
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.runner import Ending, Outcome, run
from harness.case.target_side import TargetSide
from harness.case.walks import CLOSE, Walk, walk
from harness.observe import ss
from harness.spec.states import CLOSE_WAIT, CLOSED, ESTABLISHED, State
from harness.targets.container.target import DockerTarget
from harness.trace import results
from testcases.selftest import container_engine

LOOKING_AROUND = (Path(__file__).parents[1] / "looking_around.py").read_text()
WIRES = ["veth", "tap", "attached"]
Open = Callable[..., DockerTarget]


@pytest.fixture(scope="module")
def api() -> Iterator[docker.APIClient]:
    with contextlib.closing(container_engine.client()) as client:
        yield client.api


def demand(wire: str) -> None:
    """Skip the test where nobody may enter a container's namespace."""
    if wire == "veth" and os.geteuid():
        pytest.skip("wire=veth is not tested: only root may enter a container's namespace")


@pytest.fixture
def open_target(api: docker.APIClient) -> Iterator[Open]:
    """Give a function that starts a target; each is closed in the end, and its containers must be gone then."""
    image = container_engine.image("linux")
    opened: list[DockerTarget] = []

    def start(wire: str, **settings: Any) -> DockerTarget:
        demand(wire)
        opened.append(DockerTarget(image, wire=wire, name="docker:linux", **settings))
        return opened[-1]

    yield start
    made = [name for target in opened for name in target.pod.containers]
    for target in opened:
        target.close()
    assert opened == [] or made
    assert not {found["Id"] for found in api.containers(all=True)} & set(made)


def verdicts(target: str, folder: Path) -> list[tuple[object, ...]]:
    """Run some scenario cases and a piece of the grid; return verdicts and findings."""
    command = [sys.executable, "-m", "harness", "run", "--target", target, "--results", str(folder)]
    selection = ["--case", "passive-close/*", "--case", "resets/reset-*", "--case", "grid/fin-wait-2/*"]
    done = subprocess.run([*command, *selection], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(
        (case["id"], case["ip"], case["verdict"], json.dumps(case.get("findings", [])))
        for case in results.read(folder).cases
    )


def test_verdicts_are_those_of_the_plain_namespace(api: docker.APIClient, tmp_path: Path) -> None:
    container_engine.image("linux")
    plain = verdicts("linux", tmp_path / "linux")
    assert len(plain) > 200
    for wire in WIRES[1:] if os.geteuid() else WIRES:
        assert verdicts(f"docker:linux,wire={wire}", tmp_path / wire) == plain, wire


@pytest.mark.parametrize("wire", WIRES)
def test_the_containers_ss_agrees_with_the_snapshots(wire: str, open_target: Open) -> None:
    target = open_target(wire)
    rig = Rig(target)
    for state in State:
        if state is not CLOSED:
            conversation = rig.begin(4, name=state)
            side = TargetSide(conversation.main)
            walk(side, PeerSide(conversation.main), Walk(state, closed_by=CLOSE))
            tuple4 = conversation.main.tuple4
            text = target.evidence(tuple4)
            assert text
            assert ss.parse(text, tuple4) == target.snapshot(tuple4), text
    rig.sweep()


@pytest.mark.parametrize("wire", WIRES)
def test_silence_is_proved_by_the_fence(wire: str, open_target: Open) -> None:
    assert open_target(wire).silence_proof.startswith("fence (ARP)")


@pytest.mark.parametrize("wire", WIRES)
def test_a_setting_is_changed_in_the_containers_namespace_only(wire: str, open_target: Open) -> None:
    target = open_target(wire, sysctls={"tcp_rfc1337": "1"})
    outside = Path("/proc/sys/net/ipv4/tcp_challenge_ack_limit").read_text()
    assert target.pod.read_sysctl("net.ipv4.tcp_rfc1337") == "1"
    with target.setting("tcp_challenge_ack_limit", "7"):
        assert target.pod.read_sysctl("net.ipv4.tcp_challenge_ack_limit") == "7"
        assert Path("/proc/sys/net/ipv4/tcp_challenge_ack_limit").read_text() == outside
    assert target.pod.read_sysctl("net.ipv4.tcp_challenge_ack_limit") != "7"


@pytest.mark.parametrize("wire", WIRES)
def test_nothing_stays_in_the_table_behind_a_sweep(wire: str, open_target: Open) -> None:
    target = open_target(wire)
    rig = Rig(target)
    for state in State:
        if state is not CLOSED:
            conversation = rig.begin(6, name=state)
            walk(TargetSide(conversation.main), PeerSide(conversation.main), Walk(state, closed_by=CLOSE))
    assert target.pod.ss(["-tanH"])
    rig.sweep()
    assert target.pod.ss(["-tanH"]) == ""


def test_the_tool_chooses_the_wire_and_says_which(open_target: Open) -> None:
    wire = open_target("").facts.details["wire"]
    expected = "TAP device, by a sidecar container (only root" if os.geteuid() else "veth, by a helper"
    assert wire.startswith(expected)


def test_an_engine_that_does_not_see_our_files_is_reached_over_the_attached_streams(
    api: docker.APIClient, tmp_path: Path
) -> None:
    if os.geteuid():
        pytest.skip("not tested: only root may hide a folder from the engine")
    container_engine.image("linux")
    run = [sys.executable, "-m", "harness", "run", "--target", "docker:linux", "--case", "sanity/*"]
    hide = 'mount -t tmpfs tmpfs "$TMPDIR" && exec "$@"'
    hidden, folder = tmp_path / "hidden", tmp_path / "results"
    hidden.mkdir()
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", hide, "sh", *run, "--results", str(folder)],
        env={**os.environ, "TMPDIR": str(hidden)},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "over attached streams (the engine does not see" in (folder / results.FILE_NAME).read_text()


@pytest.mark.parametrize("wire", WIRES)
def test_the_container_is_confined(wire: str, open_target: Open, api: docker.APIClient) -> None:
    target = open_target(wire)
    container = target.pod.container["container"]
    look = api.exec_create(container, ["python3", "-I", "-c", LOOKING_AROUND])
    seen = json.loads(api.exec_start(look["Id"]))
    assert seen["uid"] == ["65534"] * 4
    assert set(seen["capabilities"].values()) == {0}
    assert seen["no new privileges"] == "1"
    assert (seen["processes"], seen["command"]) == ([1], "python3"), "the agent is PID 1, and alone"
    assert (seen["root"], seen["sysctl"]) == ("EROFS", "EROFS")
    assert seen["devices"] == ["lo", "t0"]
    assert seen["out"] == ["ENETUNREACH", "ENETUNREACH"]
    assert seen["sockets"] == [], "neither the engine's nor, once it is connected, the agent's own"
    limits = api.inspect_container(container)["HostConfig"]
    assert 0 < limits["Memory"] <= 1 << 28
    assert 0 < limits["PidsLimit"] <= 64
    assert limits["AutoRemove"]


@pytest.mark.parametrize("wire", WIRES[1:])
def test_the_sidecar_may_administer_the_network_and_nothing_else(
    wire: str, open_target: Open, api: docker.APIClient
) -> None:
    _target, sidecar = open_target(wire).pod.containers
    look = api.exec_create(sidecar, ["python3", "-I", "-c", LOOKING_AROUND])
    seen = json.loads(api.exec_start(look["Id"]))
    assert seen["capabilities"]["CapBnd"] == 1 << 12, "CAP_NET_ADMIN"
    assert seen["root"] == "EROFS"
    assert seen["sockets"] == []


def passive_close(rig: Rig, in_the_middle: Callable[[], object]) -> Outcome:
    """Run a case in which something else happens."""

    def body(target: TargetSide, peer: PeerSide) -> None:
        in_the_middle()
        peer.send(FIN | ACK)
        target.must_send(ACK, seq=1, ack=2)
        target.must_be(CLOSE_WAIT)

    return run(rig.begin(4, name="a case"), Walk(ESTABLISHED), body)


def test_no_connection_outlives_a_sidecar_that_has_died(open_target: Open, api: docker.APIClient) -> None:
    """One that nobody owns any more, and which has something to send, would keep the namespace for minutes."""
    target = open_target("tap")
    _container, sidecar = target.pod.containers

    def body(side: TargetSide, peer: PeerSide) -> None:
        peer.send(ACK, window=0)
        side.send(b"waiting")
        container_engine.kill(api, sidecar)

    run(Rig(target).begin(4, name="a case"), Walk(ESTABLISHED), body)
    with target.pod.diag_socket.dup() as diag:
        assert len(server._dump(diag, socket.AF_INET)) > 0
        target.close()
        assert server._dump(diag, socket.AF_INET) == []


@pytest.mark.parametrize(("wire", "which"), [("veth", 0), ("tap", 0), ("tap", 1), ("attached", 0), ("attached", 1)])
def test_a_container_that_dies_is_an_error_of_the_case_that_runs(
    wire: str, which: int, open_target: Open, api: docker.APIClient
) -> None:
    target = open_target(wire)
    rig = Rig(target)
    before = passive_close(rig, lambda: None)
    assert before.ending is Ending.COMPLETED
    dying = target.pod.containers[which]

    outcome = passive_close(rig, lambda: container_engine.kill(api, dying))
    assert outcome.ending is Ending.HARNESS_ERROR
    assert dying[:12] in outcome.message
    if which == 0 and wire != "attached":  # there the dead agent's sockets send resets, and no sweep means anything
        rig.sweep()
        assert not before.findings, "what was judged before stays"
