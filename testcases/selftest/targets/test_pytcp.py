"""PyTCP behind our kit: fetched on first use, in virtual time, though its sessions work by ticks of a millisecond."""

import errno
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
from harness.targets.building import drivers, packages
from harness.targets.protocol import UnusableTarget
from harness.verbs import USAGE_ERROR, build
from testcases.selftest.joined import close_and_wait, is_refused, run_as_declared

ROOT = Path(__file__).resolve().parents[3]
FOLDER = drivers.driver_folder() / "pytcp"


@pytest.fixture(scope="module")
def command() -> Command:
    """Return the adapter; where no package index answers at the first use there is nothing to test."""
    try:
        return Command(drivers.command("pytcp"))
    except UnusableTarget as error:
        pytest.skip(f"PyTCP is not tested: {error}")


def _open(command: Command, *, timers: bool = False) -> tuple[TargetSide, PeerSide]:
    main = Rig(AdapterTarget(command, name="pytcp", timers=timers), guarded=False).begin(4, name="selftest").main
    return TargetSide(main), PeerSide(main)


# --- the packages ----------------------------------------------------------------------------------------------------


def test_the_packages_are_fetched_once(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_fetch", lambda *_arguments: pytest.fail("they are fetched again"))
    assert drivers.command("pytcp", "0.3") == command.arguments


def test_without_an_index_one_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(UnusableTarget, match=r"pytcp can't be installed: .*\n.*once where a package index"):
        packages.install(FOLDER, tmp_path)
    assert not list(tmp_path.iterdir()), "a failed installation leaves nothing behind"


def test_a_release_that_there_is_not_is_one_sentence(tmp_path: Path) -> None:
    assert registry.parse("pytcp:0.3").ident == "0.3"
    with pytest.raises(UnusableTarget, match=r"pytcp 9 does not come with the tool\n.*pytcp:0\.3"):
        packages.install(FOLDER, tmp_path, "9")


def test_there_is_no_image_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(["pytcp", "--image"]) == USAGE_ERROR
    assert "there is no image of pytcp" in capsys.readouterr().err


# --- the adapter -----------------------------------------------------------------------------------------------------


def test_the_adapter_passes_the_check(command: Command) -> None:
    lines: list[str] = []
    assert check.check(command, lines.append, limit_s=60), "\n".join(lines)


def test_what_a_tick_would_send_comes_at_once(command: Command) -> None:
    target, peer = _open(command, timers=True)
    target.listen()
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.must_be(ESTABLISHED)
    target.accept()
    target.send(b"x" * 3000)
    for start, size in ((1, 1460), (1461, 1460), (2921, 80)):
        target.must_send(ACK, seq=start, ack=1, data=b"x" * size)
    peer.send(ACK, ack=3001)
    close_and_wait(target, peer, 30, sent=3000)


def test_a_refusal_is_told_once(command: Command) -> None:
    target, peer = _open(command)
    is_refused(target, peer, errno.ECONNREFUSED)


# --- the cases -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_cases_come_out_as_declared(command: Command, tmp_path: Path) -> None:
    chosen = ["sanity/*", "active-open/*", "time-wait/syn*"]
    run_as_declared("pytcp", tmp_path, chosen, "--ip=4")
