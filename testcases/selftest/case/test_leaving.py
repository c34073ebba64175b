"""When text leaves is open within bounds: what is collected for a moment, or probed for, is no fault; more is one."""

import pytest

from harness.case.expect import Expected
from harness.case.leaving import is_collected
from harness.case.verdict import Verdict
from harness.mutate.script import Script, play
from harness.spec import seqno
from harness.spec.segment import ACK, Segment
from harness.stack.config import nanoseconds
from harness.stack.connection import Connection
from harness.stack.defects.defect import stack_with
from harness.stack.stack import Stack
from harness.stack.timers import Timer
from harness.stack.variants import varied
from harness.stack.variants.acknowledging import WindowOpensBehindTheHandshake
from harness.stack.variants.recovery import LossProbes
from harness.stack.variants.sending import TextCollectedForAMoment
from harness.trace.events import Event, Kind
from testcases.selftest.scripts import scripts

TEXT = "header/data[1-passive-open]"
TOLD = "icmp/silently"
DOZENS = "isolation/crowd"


def on(case: str, stack: type[Stack]) -> str:
    """Return the findings of a case, "" if it conforms."""
    script: Script = scripts(case)[0]
    shown = play(script, stack)
    return "" if shown.verdict is Verdict.CONFORMS else f"{shown.code}: {shown.text}"


@pytest.mark.parametrize(
    ("variant", "case"),
    [
        ("text-collected-for-a-moment", TOLD),
        ("text-collected-for-a-moment", "header/mss-of-no-use-in-a-syn[7]"),
        ("loss-probes", TEXT),
        ("window-opens-behind-the-handshake", "passive-open/third-segment-with-data"),
        ("window-opens-behind-the-handshake", "passive-open/segment-without-ack-is-dropped[data]"),
        ("window-opens-behind-the-handshake", DOZENS),
        ("text-collected-for-a-moment", "grid/close-wait/call-send"),
        ("window-opens-behind-the-handshake", "grid/syn-received-passive/ack/exact/good/none"),
        ("window-opens-behind-the-handshake", "grid/syn-received-passive/timer-retransmission-timeout"),
        ("close-acknowledges-what-it-refuses", "grid/fin-wait-1-close/ack/exact/acks_fin/data"),
    ],
)
def test_what_the_rules_leave_open_is_no_finding(variant: str, case: str) -> None:
    assert on(case, varied(variant).stack_class) == ""


@pytest.mark.parametrize(("window", "waits"), [(1000, True), (0, False)])
def test_text_is_collected_where_the_peer_has_not_shut_its_window(window: int, waits: bool) -> None:
    told = Event(0, Kind.SENT, segment=Segment(ACK, 1, 1, window=window))
    due = [Expected(ACK, data=b"text")]
    assert is_collected([told, Event(0, Kind.CALL, "send(4) = 4 octets taken")], due) is waits


def test_text_that_waits_for_more_than_a_moment_is_missed() -> None:
    class Hoarding(TextCollectedForAMoment):
        def start(self, timer: Timer, duration: int) -> None:
            super().start(timer, nanoseconds(20) if timer is Timer.COLLECTING else duration)

    assert on(TOLD, stack_with(Hoarding)).startswith("silent: <SEQ=1><ACK=1>")


def test_other_text_that_comes_by_itself_is_a_finding() -> None:
    class Stuttering(TextCollectedForAMoment):
        def leave(self) -> None:
            super().leave()
            if self.flight:
                self.resend_front()

    assert on("header/mss-of-no-use-in-a-syn[7]", stack_with(Stuttering)).startswith("late: nothing")


def test_a_probe_without_sack_is_a_finding() -> None:
    """Nothing but a SACK block would tell whether the probe or what it repeats has come (RFC 8985 §7.2)."""

    class Careless(LossProbes):
        @property
        def sacking(self) -> bool:  # type: ignore[override]
            return True

        @sacking.setter
        def sacking(self, value: bool) -> None:
            """Take no notice of what was agreed on."""

        def offers_sack(self, answers: bool) -> bool:
            return False

    assert on(TEXT, stack_with(Careless)).startswith("late: nothing")


def test_a_second_probe_for_one_tail_is_a_finding() -> None:
    class Restless(LossProbes):
        def loss_probe(self) -> None:
            super().loss_probe()
            super().loss_probe()

    assert on(TEXT, stack_with(Restless)).startswith("late: nothing")


def test_an_acknowledgment_that_opens_no_window_is_a_finding() -> None:
    class Talkative(Connection):
        def establish(self) -> None:
            super().establish()
            self.ack_due = True

    assert on(DOZENS, stack_with(Talkative)).startswith("extra: nothing")


def test_a_window_that_never_opens_is_no_way_out() -> None:
    class Closed(WindowOpensBehindTheHandshake):
        def offer_window(self, shift: int) -> int:
            return seqno.diff(self.rcv_edge, self.rcv_nxt) if self.irs else super().offer_window(shift)

        def establish(self) -> None:
            super().establish()
            self.ack_due = True

    assert on(DOZENS, stack_with(Closed)) != ""
