"""A long way to a stack makes a run long, and no verdict another; over one that loses frames there is no verdict."""

import itertools
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.targets import registry
from harness.targets.protocol import TargetError, UnusableTarget
from harness.targets.wired import link as wired_link
from harness.targets.wired import soundness
from harness.targets.wired.link import WireLink
from harness.targets.wired.pair import PairLink

ROOT = Path(__file__).parents[3]
WEATHER = f"{sys.executable} -m testcases.selftest.wired_weather {{if}}"


@pytest.mark.slow
@pytest.mark.parametrize("way", ["60 0 0", "30 40 0"])
@pytest.mark.parametrize("app", ["echo", "http"])
def test_a_long_way_makes_no_other_verdict(way: str, app: str, tmp_path: Path) -> None:
    chosen = ["--ip", "4", "--case", "sanity/*", "--case", "passive-open/three-way*"]
    chosen += ["--case", "passive-close/four-way-close*", "--case", "active-close/four-way-close*"]
    command = [sys.executable, "-m", "harness", "run", "--target", f"tap:{WEATHER} {way},app={app}", *chosen]
    done = subprocess.run([*command, "--results", str(tmp_path)], capture_output=True, text=True, cwd=ROOT, timeout=300)
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    verdicts = [line["verdict"] for line in lines if line["kind"] == "case"]
    assert set(verdicts) <= {"conforms", "unobserved", "not applicable"}, done.stdout
    assert sum(verdict != "not applicable" for verdict in verdicts) >= 3, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "complaint"), [("1 0 0.1", "loses frames"), ("1 5 0 overtaking", "frames overtake each other")]
)
def test_over_a_bad_wire_nobody_is_judged(way: str, complaint: str) -> None:
    with pytest.raises(UnusableTarget, match=complaint):
        registry.open_target(registry.parse(f"tap:{WEATHER} {way}"), registry.Settings())


def test_a_probe_that_is_lost_in_the_middle_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wired_link, "AGAIN_S", 0.05)
    target = registry.open_target(registry.parse(f"tap:{WEATHER} 0 0 0"), registry.Settings())
    try:
        target.exchange(())
        target.check()
        send, count = WireLink._transmit, itertools.count()
        monkeypatch.setattr(WireLink, "_transmit", lambda wire, frame: next(count) and send(wire, frame))
        assert target.exchange(()) == []
        with pytest.raises(TargetError, match=r"1 of the fence's probes"):
            target.check()
        target.check()
    finally:
        target.close()


def test_frames_that_hold_no_whole_packet_are_counted_and_no_harm() -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far:
        wire = PairLink(near, "card", 2, "198.51.100.1", ["198.51.100.2", "2001:db8::2"])
        ends = bytes(12)
        for ethertype in (b"\x08\x00", b"\x86\xdd", b"\x08\x06", b"\x88\xcc"):
            for octets in (0, 1, 9, 19, 39):
                far.send(ends + ethertype + bytes(octets))
        far.send(bytes(5))
        mld = bytes.fromhex("6000000000240001") + bytes(32) + bytes.fromhex("3a00") + bytes(34)
        far.send(ends + b"\x86\xdd" + mld)
        assert wire.waiting() == []
        assert wire.seen["ICMPv6 (ND, MLD)"] == 1


class Scripted(WireLink):
    """Answers probes as it is told: a list of numbers, or None for none of them."""

    def __init__(self, *answers: list[int]) -> None:
        self.fences = ("arp", "ping")
        self.round_trip_s = 0.0
        self._answers, self._sent = answers, list[bytes]()
        self._turn, self._numbers = 0, itertools.count()

    def send_probe(self, fence: str) -> bytes:
        self._sent.append(f"{fence} {next(self._numbers)}".encode())
        return self._sent[-1]

    def answered_probes(self, limit_s: float) -> Iterator[bytes]:
        order = self._answers[min(self._turn, len(self._answers) - 1)]
        self._turn += 1
        sent, self._sent = self._sent, []
        yield from (sent[at] for at in order if at < len(sent))


def test_who_answers_each_probe_in_its_turn_is_well_connected() -> None:
    soundness.examine(Scripted(list(range(8))), 0.1)


@pytest.mark.parametrize("burst", [[0, 2, 1, 3], [7, 0, 1, 2, 3, 4, 5, 6]])
def test_answers_in_another_order_are_found_out(burst: list[int]) -> None:
    turns = [[0]] * soundness.PROBES + [burst]
    with pytest.raises(UnusableTarget, match="overtake"):
        soundness.examine(Scripted(*turns), 0.1)


def test_a_burst_that_a_short_queue_can_t_hold_is_no_disorder() -> None:
    soundness.examine(Scripted(*[[0]] * soundness.PROBES, [0, 1, 2, 5]), 0.1)


def test_who_does_not_answer_each_of_one_kind_is_asked_another_way() -> None:
    missing = [[0]] * 5 + [[]] + [[0]] * (soundness.PROBES - 6) + [[]]
    soundness.examine(Scripted(*missing, *[[0]] * soundness.PROBES, list(range(8))), 0.1)
    with pytest.raises(UnusableTarget, match="1 were not answered"):
        soundness.examine(Scripted(*missing, *missing, []), 0.1)


def test_who_answers_no_probe_at_all_is_not_held_to_be_far_away() -> None:
    made = Scripted([])
    soundness.examine(made, 0.1)
    assert made.round_trip_s == 0
