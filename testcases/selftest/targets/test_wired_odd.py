"""Programs behind a device as they are at the first try: each works, or gets one clear sentence; nothing is left."""

import os
import re
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.spec.segment import ACK, SYN, Segment
from harness.targets import registry
from harness.targets.last_words import printable
from harness.targets.protocol import Capability, NotOffered, Target, TargetDied, TargetHung, UnusableTarget
from harness.targets.wired import options
from harness.targets.wired.helper import MOST_LOG_OCTETS
from harness.targets.wired.link import WireLink
from harness.targets.wired.pod import WiredPod
from harness.wire import codec

ODD = f"{sys.executable} -m testcases.selftest.odd_programs"
#: Long enough for a program in Python to start, on a busy machine too.
START = "start=4"
#: How long what was killed may take to be gone.
GONE_S = 30


@pytest.fixture
def _nothing_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Show that no process, descriptor or file is left behind."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv("TCPSPEC_TEST_MARK", mark)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = Counter(os.readlink(f"/proc/self/fd/{number}") for number in _descriptors())
    yield
    deadline = time.monotonic() + GONE_S
    while (left := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
    after = Counter(os.readlink(f"/proc/self/fd/{number}") for number in _descriptors())
    assert not after - before, "what an earlier test has left may go meanwhile"
    assert list(tmp_path.iterdir()) == []


def _descriptors() -> list[str]:
    return [name for name in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{name}")]


def _marked(mark: str) -> list[str]:
    """Return the processes that were started with this mark in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("_nothing_is_left")
@pytest.mark.parametrize(
    ("text", "complaint", "hint"),
    [
        (f"tap:{ODD} leaves {{if}}", "ended with exit code 0", "open the device {if}"),
        (f"tap:{ODD} killed {{if}}", "died of SIGSEGV", "open the device {if}"),
        (f"tap:{ODD} several-queues {{if}}", "Invalid argument", "{fd} is the number of one that is open already"),
        (f"tap:{ODD} sleeps {{if}},{START}", "runs, and has not opened the device within 4 s", "start=SECONDS"),
        (f"tap:{ODD} own-device {{if}},{START}", "runs, and has not opened the device", "open the device {if}"),
        (f"tap:{ODD} leaves {{if}},ap=echo", "ended with exit code", "is app= meant?"),
        (f"tap:{ODD} sleeps {{if}},gatewy=10.0.0.1,start=1", "answers no ARP", "is gateway= meant?"),
        (f"tap:{ODD} holds {{if}},{START}", "answers no ARP for 198.51.100.1 within 4 s", "another address is option"),
        (f"tap:{ODD} arp-only {{if}}", "nobody answers on port 7 of 198.51.100.1", "a route to 198.51.100.2"),
        (f"tap:{ODD} no-route {{if}}", "nobody answers on port 7 of 198.51.100.1", "a route to 198.51.100.2"),
        (f"tap:{ODD} other-address {{if}},{START}", "answers no ARP for 198.51.100.1", "{if},start=4,ip=10.1.2.3"),
        (f"tun:{ODD} other-packets {{if}},{START}", "nobody answers on port 7", "it speaks as 10.1.2.3"),
        (f"tap:{ODD} ipv6-only {{if}},{START}", "only over IPv6 for 2001:db8:51::1", "needs an IPv4 address too"),
        (f"tap:{ODD} reflects {{if}},{START}", "what it is sent it sends back", "a bridge, or a loop?"),
        (f"tap:{ODD} mortal {{if}}", "ended with exit code 7 while it was asked the first questions", "no case has"),
        (f"tap:{ODD} mortal-daemon {{if}}", "ended with exit code 7 while it was asked", "no case has begun"),
        (f"tap:{ODD} deaf {{if}}", "is no echo server: to b'q' it says nothing", "app=discard:PORT"),
        (f"tap:{ODD} served {{if}},app=lines:/nowhere/to/be/found,start=1", "can't be opened: No such file", "lines"),
        (f"tap:{ODD} served {{if}},app=lines:127.0.0.1:9,start=1", "can't be opened: Connection refused", "lines"),
        (f"tap:{ODD} quotes {{if}},app=lines", "Welcome to the shell", "lines"),
    ],
)
def test_a_program_that_is_not_what_it_should_be_gets_a_clear_sentence(text: str, complaint: str, hint: str) -> None:
    with pytest.raises(UnusableTarget) as refused:
        registry.open_target(registry.parse(text), registry.Settings()).close()
    assert complaint in str(refused.value)
    assert hint in refused.value.hint


@pytest.mark.usefixtures("_nothing_is_left")
@pytest.mark.parametrize("kind", ["slow", "stubborn", "daemon", "babbles"])
def test_a_program_that_is_odd_in_what_does_not_matter_is_started_and_started_again(kind: str) -> None:
    target = registry.open_target(registry.parse(f"tap:{ODD} {kind} {{if}}"), registry.Settings())
    try:
        target._start_again()  # type: ignore[attr-defined]
        assert target.exchange([]) == []
    finally:
        target.close()


@pytest.mark.usefixtures("_nothing_is_left")
def test_where_silence_is_timed_a_program_that_has_ended_is_not_silent() -> None:
    target = registry.open_target(registry.parse(f"tap:{ODD} served {{if}}"), registry.Settings())
    try:
        link, place = target._link, target._place  # type: ignore[attr-defined]
        link.quiet_s, link.shows_life = 0.02, False
        assert target.exchange([]) == []
        place.stop()
        place.exit_code = lambda: 3
        with pytest.raises(TargetDied, match="ended with exit code 3"):
            target.exchange([])
    finally:
        target.close()


def test_a_server_that_answers_no_syn_any_more_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack still answers ARP: to a probe it is there."""
    target = registry.open_target(registry.parse(f"tap:{ODD} served {{if}}"), registry.Settings())
    transmit = WireLink._transmit
    deaf = lambda wire, frame: None if frame[12:14] == b"\x08\x00" else transmit(wire, frame)  # noqa: E731
    try:
        listener = target.socket(4)
        listener.listen("198.51.100.1", 5001, 16)
        monkeypatch.setattr(WireLink, "_transmit", deaf)
        with pytest.raises(TargetHung, match="answers no SYN any more"):
            _answered(target, 5001)
        monkeypatch.setattr(WireLink, "_transmit", transmit)
        target.forget_connections()
        listener = target.socket(4)
        listener.listen("198.51.100.1", 5001, 16)
        assert _answered(target, 5001) == SYN | ACK
    finally:
        target.close()


@pytest.mark.slow
@pytest.mark.usefixtures("_nothing_is_left")
@pytest.mark.parametrize("kind", ["serves-one", "leaves-the-stack"])
def test_a_server_of_one_connection_is_started_for_each(kind: str) -> None:
    target = registry.open_target(registry.parse(f"tap:{ODD} {kind} {{if}}"), registry.Settings())
    try:
        assert target.facts.details["connections at a time"] == "one, in its life"
        assert target.capabilities >= {Capability.SACK, Capability.WINDOW_SCALE, Capability.RFC5961_RST}, "asked anew"
        for case_port in (5001, 5002):
            listener = target.socket(4)
            listener.listen("198.51.100.1", case_port, 16)
            assert _answered(target, case_port) == SYN | ACK
            listener.close()
            target.forget_connections()
        target.socket(4).listen("198.51.100.1", case_port, 16)
        assert _answered(target, case_port) == SYN | ACK
        with pytest.raises(NotOffered, match="one connection at a time"):
            _answered(target, case_port, own_port=60_002)
    finally:
        target.close()


def test_a_server_of_one_connection_that_nobody_can_start_again_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WiredPod, "restarts", False)
    with pytest.raises(UnusableTarget, match="takes one connection, and no other behind it"):
        registry.open_target(registry.parse(f"tap:{ODD} leaves-the-stack {{if}}"), registry.Settings())


def _answered(target: Target, port: int, own_port: int = 60_001) -> int:
    """Open a connection, and return the flags of the answer."""
    syn = Segment(SYN, 100, window=65535, source_port=own_port, destination_port=port)
    (answer,) = target.exchange([codec.encode(codec.Path("198.51.100.2", "198.51.100.1"), syn)])
    return codec.decode(answer.packet).segment.flags


def test_a_server_that_drops_some_openings_is_none_of_one_connection() -> None:
    target = registry.open_target(registry.parse(f"tap:{ODD} drops-ecn {{if}}"), registry.Settings())
    target.close()
    assert target.facts.details["connections at a time"] == "several"
    assert Capability.ECN not in target.capabilities


def test_a_fence_that_overtakes_text_is_asked_for_twice() -> None:
    target = registry.open_target(registry.parse(f"tap:{ODD} collects-text {{if}},app=echo"), registry.Settings())
    target.close()
    assert re.match(r"fence \((ARP|ping), twice\), 60 of 60", target.silence_proof)  # on a busy machine ARP may be late


def test_who_writes_without_end_does_not_fill_the_memory() -> None:
    pod = WiredPod(options.read("tap", f"{ODD} babbles {{if}}", {}))
    try:
        pod.start()
        sizes, deadline = [0], time.monotonic() + 60
        while sizes[-1] < MOST_LOG_OCTETS and time.monotonic() < deadline:
            time.sleep(0.05)
            sizes.append(os.fstat(pod._log).st_size)
        pod.stop()
        assert sizes[-1] >= MOST_LOG_OCTETS > os.fstat(pod._log).st_size > 0
        assert "\x1b" not in pod.last_words()
    finally:
        pod.close()


def test_what_a_program_writes_does_nothing_to_the_terminal() -> None:
    assert printable(b"\x1b[2J\x1b[31mred\x1b[0m\r\n\0\xff\xfe\x07tab\there\n") == "red\n�tab\there\n"
