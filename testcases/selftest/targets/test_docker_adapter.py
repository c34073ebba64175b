"""Adapters in containers: the same verdicts as outside, confined, and nothing left however they end."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from harness.case import SYN
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.runner import Ending, run
from harness.case.target_side import TargetSide
from harness.case.walks import Walk
from harness.spec.states import CLOSED
from harness.targets import registry
from harness.targets.adapter import check as adapter_check
from harness.targets.adapter.target import AdapterTarget
from harness.targets.container import adapter_engine
from harness.targets.container.adapter import AdapterContainer, Image
from harness.targets.protocol import UnusableTarget
from harness.trace import results
from testcases.selftest import container_engine

HERE = Path(__file__).parents[1]
#: Images are the whole machine's: each worker of xdist makes its own.
PREFIX = f"tcpspec-selftest-{os.getpid()}"
#: What an adapter in a container may do wrong, and what the harness says about it.
WRONG = {
    "crash": r"died of SIGSEGV\sat 'in 45.*standard error ends with: assertion failed: snd_nxt",
    "exit": r"ended with exit code 3\sat 'in 45",
    "hang": r"did not answer 'in 45.* within 5 s",
    "behind": r"went on behind its final line, with 'out 0 00'",
}
Make = Callable[[str, list[str]], str]


@pytest.fixture(scope="module")
def api() -> Iterator[docker.APIClient]:
    with contextlib.closing(container_engine.client()) as client:
        yield client.api


@pytest.fixture(scope="module")
def make(api: docker.APIClient) -> Iterator[Make]:
    """Give a function that makes an image of one of the scripts beside this file; they are removed in the end."""
    base, made = container_engine.image("linux"), []

    def build(script: str, arguments: list[str], extra: str = "LABEL tcpspec.adapter=1") -> str:
        tag = f"{PREFIX}/{len(made)}"
        command = json.dumps(["python3", "-u", f"/{script}", *arguments])
        dockerfile = f"FROM {base}\nCOPY {script} /\n{extra}\nENTRYPOINT {command}\n"
        made.append(container_engine.make(api, tag, dockerfile, {script: (HERE / script).read_bytes()}))
        return tag

    yield build
    for tag in made:
        container_engine.unmake(api, tag)


@pytest.fixture(autouse=True)
def _nothing_left(api: docker.APIClient) -> Iterator[None]:
    before = container_engine.containers(api)
    yield
    assert container_engine.containers(api) <= before


def _verdicts(target: str, folder: Path) -> list[tuple[str, int, str, list[str]]]:
    folder.mkdir()
    command = [sys.executable, "-m", "harness", "run", "--target", target, "--results", str(folder)]
    selection = ["--ip", "4", "--case", "passive-close/*", "--case", "simultaneous-open/*"]
    done = subprocess.run([*command, *selection], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted((case["id"], case["ip"], case["verdict"], _observed(case)) for case in results.read(folder).cases)


def _observed(case: dict[str, Any]) -> list[str]:
    return [f"{finding['code']}: {finding['observed']}" for finding in case.get("findings", [])]


@pytest.mark.parametrize("stack", ["lwip", "smoltcp"])
def test_a_stack_in_a_container_gets_the_verdicts_it_gets_outside(stack: str, tmp_path: Path) -> None:
    tag = container_engine.image(stack)
    outside = _verdicts(stack, tmp_path / "outside")
    assert len(outside) > 50
    assert _verdicts(f"docker:{tag}", tmp_path / "container") == outside


def test_the_check_of_an_adapter_takes_an_image(capsys: pytest.CaptureFixture[str]) -> None:
    tag = container_engine.image("lwip")
    assert adapter_check.main(["check", f"docker:{tag}"]) == 0
    assert "ok   reset: everything is forgotten, silently" in capsys.readouterr().out


def _say_nothing(target: TargetSide, _peer: PeerSide) -> None:
    target.must_be(CLOSED)


def _send(target: TargetSide, peer: PeerSide) -> None:
    target.listen()
    peer.send(SYN)
    target.must_not_send()
    target.must_be(CLOSED)


def _container(target: AdapterTarget) -> str:
    assert target._line is not None
    assert isinstance(target._line.carrier, AdapterContainer)
    return target._line.carrier.ident


@pytest.mark.parametrize("mode", WRONG)
def test_a_container_that_fails_is_one_error_and_the_next_case_has_a_fresh_one(
    mode: str, make: Make, api: docker.APIClient
) -> None:
    image = make("scripted_adapter.py", [mode, "/tmp/marker"])
    target = AdapterTarget(Image(image), name=f"docker:{image}", limit_s=5 if mode == "hang" else 60)
    rig = Rig(target, guarded=False)
    try:
        first = _container(target)
        outcome = run(rig.begin(4, name="first"), Walk(CLOSED), _send)
        assert outcome.ending is (Ending.VIOLATION if mode in ("crash", "exit", "hang") else Ending.HARNESS_ERROR)
        assert re.search(WRONG[mode], outcome.message, re.DOTALL), outcome.message
        rig.sweep()
        after = run(rig.begin(4, name="second"), Walk(CLOSED), _say_nothing)
        assert (after.ending, after.findings) == (Ending.COMPLETED, []), after.message
        assert _container(target) != first
        assert first not in container_engine.containers(api)
    finally:
        rig.close()


@pytest.mark.parametrize("late_s", [0, 1.5])
def test_its_exit_code_is_known_when_the_engine_has_forgotten_it(
    api: docker.APIClient, monkeypatch: pytest.MonkeyPatch, late_s: float
) -> None:
    """Also where the thread that asks for it is late: it has asked before the container starts."""
    connect = adapter_engine.engine.connect
    monkeypatch.setattr(adapter_engine.engine, "connect", lambda: (time.sleep(late_s), connect())[1])
    image = container_engine.image("linux")
    container = adapter_engine.create(api, image, command=["python3", "-c", "raise SystemExit(3)"])
    exited = adapter_engine.exit_code(container)
    adapter_engine.start(api, image, container).close()
    container_engine.wait_until_gone(api, container)
    assert adapter_engine.ending(exited) == "ended with exit code 3"


def test_the_container_is_confined(make: Make) -> None:
    image = make("looking_adapter.py", [])
    target = AdapterTarget(Image(image), name=f"docker:{image}")
    try:
        seen = target.facts.details
    finally:
        target.close()
    assert {name: seen[name] for name in ("uid", "capabilities-held", "new-privileges")} == {
        "uid": "65534",
        "capabilities-held": "0",
        "new-privileges": "no",
    }
    assert (seen["devices"], seen["root"], seen["engine-socket"]) == ("lo", "read-only", "none")
    assert int(seen["memory-limit"]) <= 1 << 30
    assert int(seen["process-limit"]) <= 100


@pytest.mark.parametrize("script", [["scripted_adapter.py", "x", "/tmp/marker"], ["deaf_adapter.py"]])
def test_nothing_stays_when_the_harness_is_killed(script: list[str], make: Make, api: docker.APIClient) -> None:
    image = make(script[0], script[1:])
    before = container_engine.containers(api)
    program = (
        "import sys, time; from harness.targets import registry; "
        "target = registry.open_target(registry.parse(sys.argv[1]), registry.Settings()); "
        "print('open', flush=True); time.sleep(100)"
    )
    command = [sys.executable, "-c", program, f"docker:{image}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == "open\n"
        assert len(container_engine.containers(api) - before) == 1
        harness.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while container_engine.containers(api) - before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert container_engine.containers(api) <= before


@pytest.mark.parametrize(
    ("extra", "message"),
    [("LABEL tcpspec.adapter=2", "speaks version '2' of the adapter protocol"), ("", "has no label tcpspec.adapter")],
)
def test_another_image_is_a_usage_error(extra: str, message: str, make: Callable[..., str]) -> None:
    image = make("scripted_adapter.py", [], extra)
    with pytest.raises(UnusableTarget, match=message):
        Image(image)


def test_an_image_without_a_program_is_a_usage_error(api: docker.APIClient) -> None:
    dockerfile = f"FROM {container_engine.image('linux')}\nLABEL tcpspec.adapter=1\nENTRYPOINT []\nCMD []\n"
    image = container_engine.make(api, f"{PREFIX}/empty", dockerfile, {})
    try:
        with pytest.raises(UnusableTarget, match=r"(?i)no command specified"):
            registry.open_target(registry.parse(f"docker:{image}"), registry.Settings())
    finally:
        container_engine.unmake(api, image)


def test_a_missing_image_is_a_usage_error(api: docker.APIClient) -> None:
    with pytest.raises(UnusableTarget, match=f"no image '{PREFIX}/nowhere'"):
        registry.open_target(registry.parse(f"docker:{PREFIX}/nowhere"), registry.Settings())
