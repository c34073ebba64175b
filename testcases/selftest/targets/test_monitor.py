"""QEMU's monitor: a machine is kept in a file, and another emulator goes on from there."""

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest

from harness.targets.emulated import machine, monitor
from harness.targets.emulated.monitor import Monitor, MonitorError

GREETING = {"QMP": {"version": {}}}
EVENT = {"event": "STOP"}
DONE: dict[str, object] = {"return": {}}
Start = Callable[..., Monitor]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start emulators of a machine that has nothing to boot from."""
    running: list[tuple[subprocess.Popen[bytes], Monitor]] = []

    def one(*arguments: str, passed: int | None = None, memory: str = "16M") -> Monitor:
        ours, theirs = socket.socketpair()
        command = [machine.PROGRAM, *["-nodefaults", "-display", "none", "-machine", "q35,accel=tcg"], "-m", memory]
        with theirs:
            descriptors = [theirs.fileno(), *([] if passed is None else [passed])]
            process = subprocess.Popen(
                [*command, *monitor.options(theirs.fileno()), *arguments],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=descriptors,
            )
        running.append((process, Monitor(ours)))
        return running[-1][1]

    yield one
    for process, talk in running:
        talk.close()
        process.kill()
        process.wait()


@pytest.mark.skipif(not shutil.which(machine.PROGRAM), reason="needs QEMU")
def test_a_machine_that_was_kept_goes_on_in_other_emulators_and_its_own(start: Start) -> None:
    first = start()
    with first.keep() as kept:
        assert first.call("query-status")["status"] == "running"
        for _ in range(2):
            with monitor.reader_of(kept) as descriptor:
                other = start(*monitor.WAITING, passed=descriptor)
                assert other.call("query-status")["status"] == "inmigrate"
                other.resume(descriptor)
            assert other.call("query-status")["status"] == "running"


@pytest.mark.skipif(not shutil.which(machine.PROGRAM), reason="needs QEMU")
def test_what_was_kept_of_another_machine_is_refused(start: Start) -> None:
    with start().keep() as kept, monitor.reader_of(kept) as descriptor:
        other = start(*monitor.WAITING, passed=descriptor, memory="32M")
        with pytest.raises(MonitorError):
            other.resume(descriptor)


def answered(*messages: dict[str, object]) -> Monitor:
    """Return the monitor of an emulator that says these messages, one to each command, and then no more."""
    ours, theirs = socket.socketpair()

    def talk() -> None:
        with theirs, theirs.makefile("rb") as heard:
            theirs.sendall(json.dumps(GREETING).encode() + b"\n")
            for message in (DONE, *messages):
                if "event" not in message and not heard.readline():
                    return
                theirs.sendall(json.dumps(message).encode() + b"\n")

    threading.Thread(target=talk, daemon=True).start()
    return Monitor(_Lines(ours))


class _Lines(socket.socket):
    """A socket that ends each message with a line's end, so that the other side can count them."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(fileno=sock.detach())

    def sendall(self, data: bytes, *flags: int) -> None:  # type: ignore[override]
        super().sendall(data + b"\n", *flags)


def test_events_between_the_answers_are_passed_over() -> None:
    talk = answered(EVENT, {"return": {"status": "running"}})
    assert talk.call("query-status") == {"status": "running"}
    talk.close()


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([{"error": {"class": "GenericError", "desc": "no room"}}], "no room"),
        ([], "has ended|Broken pipe|reset by peer"),
    ],
)
def test_a_refusal_and_an_end_are_told_apart_from_answers(messages: list[dict[str, object]], complaint: str) -> None:
    talk = answered(*messages)
    with pytest.raises(MonitorError, match=complaint):
        talk.call("stop")
    talk.close()
