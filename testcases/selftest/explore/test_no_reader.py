"""Text that nobody will read: however a TCP that has been closed refuses it, it is no finding (SHLD-3)."""

import itertools

import pytest

from harness.case.rig import Rig
from harness.case.violation import Finding
from harness.explore import run
from harness.explore.notation import generated_from
from harness.stack import Stack
from harness.stack.defects.defect import stack_with
from harness.stack.variants import queued
from harness.targets.reference.target import ReferenceTarget
from harness.targets.registry import Settings, open_target, parse

QUEUING = ("send-waits-for-the-handshake", "queued-close-waits-for-the-text")
REFUSING = (
    "queue-leaves-before-the-text-counts",
    "refused-text-is-acknowledged-by-what-waits",
    "close-acknowledges-what-it-refuses",
)
STACKS = (
    *QUEUING,
    *REFUSING,
    *("+".join(each) for each in itertools.product(QUEUING, REFUSING)),
)
OPENED = ("connect S@i", "listen S@n%0 A@n,n%0 accept")
TEXT = ("A@p,r/1", "FA@p,r/1", "A@p+5,r/1 A@p,r/5", "A@p,r A@p,r/1", "A@p,u/3 FA@p,r")
PLANS = [
    *(f"{opened} {sent} close {text}" for opened in OPENED for sent in ("send:1", "send:1000") for text in TEXT),
    "connect S@i/3 send:1 close A@p,r",
    "connect S@i send:1 A@p,r/3 close FA@p,r/2",
]


@pytest.mark.parametrize("stack", STACKS)
def test_refused_text_is_no_finding_whatever_waits_to_be_sent(stack: str) -> None:
    rig = Rig(open_target(parse(f"reference,variant={stack}"), Settings()), guarded=False)
    for plan in PLANS:
        assert run.play_generated(rig, generated_from(plan)).conversation.findings == [], plan


class ResetsWhateverEstablishes(queued.QueuedClose):
    """A queued CLOSE turns into a reset, though there is no text."""

    def establish(self) -> None:
        super().establish()
        if self.waits:
            self.send_reset()
            self.delete()


class Resetting(queued.QueuedCloseWaitsForTheText):
    """Has such connections."""

    connection_class = ResetsWhateverEstablishes


class SaysMoreBehindItsReset(queued.RefusedTextIsAcknowledgedByWhatWaits):
    """An acknowledgment leaves behind the reset."""

    def send_reset(self) -> None:
        super().send_reset()
        self.send_ack()


@pytest.mark.parametrize(
    ("stack", "plan"),
    [
        (Resetting, "connect S@i send:1 close A@p,r"),
        (Resetting, "connect S@i send:1 close FA@p,r"),
        (stack_with(SaysMoreBehindItsReset), "listen S@n A@n,n accept send:9 close A@p,r/1"),
    ],
)
def test_a_reset_without_text_and_what_comes_behind_one_are_findings(stack: type[Stack], plan: str) -> None:
    assert findings(plan, stack)
    assert not findings(plan, Stack)


def findings(plan: str, stack: type[Stack]) -> list[Finding]:
    rig = Rig(ReferenceTarget(stack_class=stack), guarded=False)
    return run.play_generated(rig, generated_from(plan)).conversation.findings
