"""The driver of gVisor's netstack, end to end: built by Go, in virtual time, the same in each run."""

import errno
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.case import ACK, SYN
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.target_side import TargetSide
from harness.spec.states import ESTABLISHED
from harness.targets import registry
from harness.targets.adapter import check
from harness.targets.adapter.process import Command
from harness.targets.adapter.target import AdapterTarget
from harness.targets.building import drivers, gopath
from harness.targets.protocol import UnusableTarget
from harness.verbs import USAGE_ERROR, build
from testcases.selftest.joined import close_and_wait, is_refused, run_as_declared

ROOT = Path(__file__).resolve().parents[3]
FOLDER = drivers.driver_folder() / "netstack"


@pytest.fixture(scope="module")
def program() -> Path:
    """Return the driver; without Go or the stack's package there is nothing to test."""
    try:
        return drivers.build("netstack")
    except UnusableTarget as error:
        pytest.skip(f"netstack is not tested: {error}")


def _open(program: Path, *, timers: bool = False) -> tuple[TargetSide, PeerSide]:
    target = AdapterTarget(Command([str(program)]), name="netstack", timers=timers)
    main = Rig(target, guarded=False).begin(4, name="selftest").main
    return TargetSide(main), PeerSide(main)


# --- the build -------------------------------------------------------------------------------------------------------


def test_the_driver_is_built_once(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gopath, "_compile", lambda *_arguments: pytest.fail("it is built again"))
    assert drivers.build("netstack") == program


def test_without_go_one_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnusableTarget, match=r"netstack can't be built: there is no Go\n.*golang-go golang-gvisor"):
        gopath.build(FOLDER, tmp_path)


def test_without_the_package_one_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\nexit 1\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setitem(gopath.RECIPES, "netstack", replace(gopath.RECIPES["netstack"], path=tmp_path))
    with pytest.raises(UnusableTarget, match=r"golang-gvisor-gvisor-dev is not installed\n.*apt-get install"):
        gopath.build(FOLDER, tmp_path)


def test_another_release_than_the_driver_is_written_for_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src/gvisor.dev/gvisor/pkg").mkdir(parents=True)
    monkeypatch.setattr(gopath.shutil, "which", lambda _name: "/usr/bin/go")
    monkeypatch.setattr(gopath, "_release", lambda _package: "20240729.0")
    monkeypatch.setitem(gopath.RECIPES, "netstack", replace(gopath.RECIPES["netstack"], path=tmp_path))
    with pytest.raises(UnusableTarget, match=r"can't be built with golang-gvisor-gvisor-dev 20240729\.0\n.*20221219"):
        gopath.build(FOLDER, tmp_path)


def test_a_failing_build_says_what_go_said(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert program.is_file()
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho 'stack.go:9: undefined: that' >&2\nexit 1\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(UnusableTarget, match=r"go build .* failed:\nstack\.go:9: undefined: that"):
        gopath.build(FOLDER, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir()), "a failed build leaves nothing behind"


def test_a_release_that_there_is_not_is_one_sentence(program: Path, tmp_path: Path) -> None:
    assert program.is_file()
    assert registry.parse("netstack:20221219").ident == "20221219"
    with pytest.raises(UnusableTarget, match=r"netstack 2019 is not installed\n.*there is netstack:20"):
        gopath.build(FOLDER, tmp_path, "2019")


def test_there_is_no_image_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(["netstack", "--image"]) == USAGE_ERROR
    assert "there is no image of netstack" in capsys.readouterr().err


# --- the adapter -----------------------------------------------------------------------------------------------------


def test_the_adapter_passes_the_check(program: Path) -> None:
    lines: list[str] = []
    assert check.check(Command([str(program)]), lines.append), "\n".join(lines)


def test_minutes_cost_no_time(program: Path) -> None:
    target, peer = _open(program, timers=True)
    target.listen()
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.must_be(ESTABLISHED)
    target.accept()
    close_and_wait(target, peer, 60)


def test_a_refusal_is_told_once(program: Path) -> None:
    target, peer = _open(program)
    is_refused(target, peer, errno.ECONNREFUSED)


def test_a_case_is_the_same_whatever_came_before(program: Path) -> None:
    """Behind a reset there is another stack, whose clock and numbers begin as those of the first did."""
    address, listen = "address 198.51.100.1/24", "listen 198.51.100.1 80 5"
    syn = "in 4500002c000040004006e661c6336402c6336401ea60005000000064000000006002ffff58a70000020405b4"
    script = ["hello tcpspec-adapter 1", address, listen, syn, "advance 5000", "reset", listen, syn]
    done = subprocess.run([program], input="\n".join(script), capture_output=True, text=True, timeout=60, check=True)
    sent = [line.split()[2] for line in done.stdout.splitlines() if line.startswith("out ")]
    first, last = bytes.fromhex(sent[0]), bytes.fromhex(sent[-1])
    assert len(sent) > 2, "the SYN,ACK is repeated"
    assert first[20:] == last[20:]


# --- what its reset and its second acknowledgment of a FIN are judged as ---------------------------------------------


@pytest.mark.parametrize(
    "conversation",
    ["listen S@i A@p,r accept FA@p,r recv:10 FA@p,r recv:10", "connect SA@i,r close A@p,r/10"],
    ids=["a second FIN moves RCV.NXT again, and is no text", "a reset at SND.NXT may bear an ACK"],
)
def test_a_conversation_conforms(program: Path, conversation: str, tmp_path: Path) -> None:
    assert program.is_file()
    words = ["explore", "--target", "netstack", "--no-expectations", f"--results={tmp_path}", "--replay", conversation]
    done = subprocess.run(
        [sys.executable, "-m", "harness", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


# --- the cases -------------------------------------------------------------------------------------------------------


def test_cases_cells_and_timers_come_out_as_declared(program: Path, tmp_path: Path) -> None:
    assert program.is_file()
    chosen = ["sanity/*", "time-wait/*", "grid/closing/*", "timers/time-wait-ends*", "simultaneous-close/*"]
    run_as_declared("netstack", tmp_path, chosen, "--timers=300")
