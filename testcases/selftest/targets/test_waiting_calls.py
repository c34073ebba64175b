"""Calls of the application that wait in the running kernel, each in a process of its own."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.case.rig import Rig
from harness.explore import run
from harness.explore.notation import generated_from
from harness.targets.namespace.callers import Caller, Callers
from harness.targets.namespace.target import LinuxTarget
from harness.targets.protocol import Capability, TargetError
from harness.trace.events import Kind


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    rig = Rig(LinuxTarget())
    yield rig
    rig.close()


@pytest.mark.parametrize(
    ("plan", "returns"),
    [
        ("begin-connect A@i+5,n+10 SA@i,r", "connect"),
        ("listen begin-accept S@i 3{same-port}:S@i A@p,r", "accept"),
        ("listen S@i A@p,r accept begin-recv:100 A@p+10,r/10 A@p,r/10", "recv"),
        ("connect SA@i,r buffer:8000 begin-send:60000 A@p,r A@p,r A@p,r A@p,r A@p,r A@p,r", "send"),
        ("listen S@i A@p,r accept send:100 begin-close:600000 FA@p,u A@p,r", "close"),
        ("listen S@i A@p,r accept begin-recv:100 R@p+10 R@p", "recv"),
    ],
    ids=["connect", "accept", "recv", "send", "close", "recv, by a reset"],
)
def test_a_call_waits_until_it_may_return(rig: Rig, plan: str, returns: str) -> None:
    conversation = run.play_generated(rig, generated_from(plan)).conversation
    assert conversation is not None
    assert conversation.findings == []
    calls = [event.text for event in conversation.events if event.kind is Kind.CALL]
    assert f"begin-{returns}" in " ".join(calls)
    assert f"{returns}() returns" in calls


def test_a_call_that_is_refused_at_once_does_not_wait(rig: Rig) -> None:
    conversation = run.play_generated(rig, generated_from("connect SA@i,r close begin-connect")).conversation
    assert conversation is not None
    assert conversation.findings == []


def pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _address = listener.accept()
    ours.setblocking(False)
    return ours, theirs


@pytest.fixture
def callers() -> Iterator[Callers]:
    callers = Callers()
    yield callers
    callers.close()


def test_who_waits_sleeps_and_what_wakes_it_is_seen(callers: Callers) -> None:
    ours, theirs = pair()
    with ours, theirs:
        waits = callers.start(ours, "recv", limit=10)
        assert not waits.done
        assert not callers.rest()
        with pytest.raises(BlockingIOError):
            ours.recv(1)
        theirs.send(b"text")
        assert callers.rest()
        assert waits.done
        assert waits.result() == b"text"
        assert is_gone(waits)


def test_a_socket_on_which_a_call_waits_closes(callers: Callers) -> None:
    ours, theirs = pair()
    with theirs:
        waits = callers.start(ours, "recv", limit=10)
        callers.end(ours)
        ours.close()
        assert is_gone(waits)
        assert theirs.recv(1) == b""


def test_a_call_that_fails_tells_its_error(callers: Callers) -> None:
    with socket.socket() as unbound:
        unbound.setblocking(False)
        failed = callers.start(unbound, "recv", limit=10)
        assert failed.done
        with pytest.raises(OSError, match="not connected"):
            failed.result()


def test_nothing_is_left_of_calls_that_wait_when_their_maker_dies() -> None:
    callers = Callers()
    ours, theirs = pair()
    with ours, theirs:
        waits = callers.start(ours, "recv", limit=10)
        os.kill(callers.pid, signal.SIGKILL)
        with pytest.raises(TargetError, match="that makes waiting calls is gone"):
            callers.end(ours)
        callers.close()
        assert is_gone(waits)


def test_a_target_whose_sockets_are_descriptors_has_calls_that_wait(rig: Rig) -> None:
    assert Capability.WAITING_CALLS in rig.target.capabilities


def is_gone(caller: Caller) -> bool:
    """Tell whether a process ends soon; whoever looks after orphans may take its time to bury it."""
    for _look in range(500):
        try:
            if "State:\tZ" in Path(f"/proc/{caller.pid}/status").read_text():
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False
