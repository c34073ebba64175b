"""Timer cases with a server that nobody tells anything: what it does by itself has its own times."""

import dataclasses
import sys
import time
from pathlib import Path

import pytest

from harness.case.peer_side import PeerSide
from harness.case.target_side import TargetSide
from harness.case.timers import Stopwatch
from harness.spec.segment import ACK, FIN, Segment
from harness.targets.protocol import Facts, NotOffered
from harness.targets.wired.packet import TcpPacket
from harness.wire import codec
from testcases.selftest.scripted_target import Body, ScriptedTarget, run
from testcases.selftest.targets import test_wired as wired
from testcases.selftest.targets.test_wired_channel import FRO, Talk
from testcases.selftest.wired_linux import ALONE

LINUX = f"{sys.executable} -m testcases.selftest.wired_linux {{if}}"
#: What Linux remembers of a path would stand for the sample that a lost SYN did not give, if another case came before.
FORGETFUL = f"{LINUX} 2 net.ipv4.tcp_no_metrics_save=1"
GOOD = ("conforms", "unobserved")
SHORT = ("--ip", "4", "--timers", "20", "--case", "timers/*")


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize(
    ("app", "asked"),
    [
        ("echo", {"data-backs-off[passive-open]", "syn-ack-backs-off", "last-ack-is-lost[by-close-passive-open]"}),
        ("daytime", {"fin-backs-off[passive-open-by-close]", "fin-is-repeated-in-closing[by-close]"}),
        ("discard", {"ack-of-fin-in-time[first-segment-with-data-passive-open]"}),
    ],
)
def test_timers_of_a_server_are_those_of_linux(app: str, asked: set[str], tmp_path: Path) -> None:
    done = wired.run("--target", f"tap:{FORGETFUL},app={app}", *SHORT, where=tmp_path)
    seen = wired.verdicts(tmp_path)
    assert {seen[f"timers/{name}"] for name in asked} <= set(GOOD), done.stdout
    assert "violates" not in seen.values(), done.stdout
    deviating = {case for case, verdict in seen.items() if verdict == "deviates"}
    assert deviating <= {"timers/rto-is-a-second-at-least"}, done.stdout


def test_timers_of_a_server_of_one_connection_at_a_time_are_asked_one_by_one(tmp_path: Path) -> None:
    names = ("answer-to-the-second-syn-ack", "last-ack-is-lost*")
    chosen = [word for name in names for word in ("--case", f"timers/{name}")]
    target = f"tap:{LINUX} 2,app=echo:{ALONE}"
    done = wired.run("--target", target, "--ip", "4", "--timers", "8", *chosen, where=tmp_path)
    seen = wired.verdicts(tmp_path)
    assert sum(verdict in GOOD for verdict in seen.values()) >= 3, done.stdout
    assert not {"violates", "harness error", "inconclusive"} & set(seen.values()), done.stdout


def test_so_many_timer_cases_have_connections_at_once_as_the_target_takes() -> None:
    target, open_now, most = ScriptedTarget(), 0, 0
    target.facts = dataclasses.replace(Facts("scripted", "scripted", "0"), at_once=2)

    def forget() -> None:
        nonlocal open_now
        open_now = 0

    target.forget_connections = forget  # type: ignore[attr-defined]

    def sleeps(side: TargetSide, _peer: PeerSide) -> Body:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        yield from Stopwatch(side).sleep(5)

    def ends_at_once(_side: TargetSide, _peer: PeerSide) -> Body:
        raise NotOffered("connect()")
        yield

    cases = run(target, *[sleeps, ends_at_once] * 5)
    assert most == 2
    assert [type(case.error) for case in cases] == [type(None), NotOffered] * 5


def _fin(talk: Talk, at_ns: int) -> list[bytes]:
    segment = Segment(FIN | ACK, 1001, 102, 8000, source_port=talk.channel.server.port, destination_port=60000)
    seen = TcpPacket.read(codec.encode(FRO, segment))
    assert seen is not None
    return talk.channel.outward(seen, at_ns)


def test_where_times_are_judged_a_fin_that_waited_has_its_own_time() -> None:
    talk, came_ns = Talk(timed=True), time.time_ns() - 100_000_000
    talk.send(FIN | ACK, 101, 1001)
    _fin(talk, came_ns)
    (shown,) = talk.channel.close()
    assert shown.time_ns == came_ns
    assert len(_fin(talk, came_ns + 200_000_000)) == 1


def test_where_times_are_judged_a_fin_that_was_repeated_meanwhile_is_no_question() -> None:
    talk = Talk(timed=True)
    talk.send(FIN | ACK, 101, 1001)
    for at_ns in (1, 200_000_000):
        _fin(talk, at_ns)
    with pytest.raises(NotOffered, match="has been repeated already"):
        talk.channel.close()


def test_where_times_are_judged_an_echo_has_acknowledged_text_before_any_delay() -> None:
    with pytest.raises(NotOffered, match="no acknowledgment is delayed"):
        Talk(timed=True).send(ACK, 101, 1001, b"text")
    Talk("discard", timed=True).send(ACK, 101, 1001, b"text")


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["net.ipv4.tcp_rfc1337=0", "net.ipv4.tcp_rfc1337=1"])
def test_a_reset_in_time_wait_may_be_ignored_where_no_state_is_seen(setting: str, tmp_path: Path) -> None:
    chosen = ("--ip", "4", "--case", "time-wait/*reset*", "--case", "time-wait/*rst*")
    done = wired.run("--target", f"tap:{LINUX} 2 {setting},app=daytime", *chosen, where=tmp_path)
    seen = wired.verdicts(tmp_path)
    assert seen["time-wait/open-after-a-reset"] in GOOD, done.stdout
    assert "violates" not in seen.values(), done.stdout
