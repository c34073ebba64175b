"""What released stacks do otherwise than ours, and correctly: cases that once held it against them."""

import pytest

from harness.case.rig import Rig
from harness.case.selection import matches
from harness.case.verdict import Verdict
from harness.case.violation import Level
from harness.explore import run
from harness.explore.notation import generated_from
from harness.mutate.script import play
from harness.stack.variants import varied
from harness.targets.registry import Settings, open_target, parse
from testcases.selftest.mutate.test_variants import every_script


@pytest.mark.parametrize(
    ("name", "pattern", "verdicts"),
    [
        ("small-send-buffer", "timers/slow-start*", {Verdict.NOT_APPLICABLE}),
        ("small-send-buffer", "timers/loss-window*", {Verdict.NOT_APPLICABLE}),
        ("window-taken-back", "passive-close/fin-on-the-last-number-of-the-window", {Verdict.DEVIATES}),
        ("window-taken-back", "passive-close/fin-behind-the-window", {Verdict.DEVIATES}),
        ("window-taken-back", "passive-close/whole-scaled-window-is-taken", {Verdict.CONFORMS, Verdict.DEVIATES}),
        ("isn-without-a-hash", "passive-open/initial-sequence-numbers-differ", {Verdict.DEVIATES}),
        ("isn-of-the-clock", "passive-open/initial-sequence-numbers-differ", {Verdict.CONFORMS}),
        ("window-taken-back", "grid/established-zero-window/none/exact/-/*", {Verdict.CONFORMS}),
        ("probes-without-an-octet", "timers/*probe*", {Verdict.CONFORMS, Verdict.NOT_APPLICABLE}),
        ("receive-by-segments", "half-close/repeated-data", {Verdict.CONFORMS}),
        ("receive-by-segments", "passive-close/fin-at-a-closed-window", {Verdict.DEVIATES}),
        ("one-segment-under-way", "header/nagle-can-be-switched-off", {Verdict.NOT_APPLICABLE}),
        ("one-segment-under-way", "timers/data-and-fin-are-repeated-in-order", {Verdict.CONFORMS}),
        ("one-segment-under-way", "grid/close-wait/call-send", {Verdict.CONFORMS}),
        ("nagle-waits-for-everything", "header/nagle-can-be-switched-off", {Verdict.CONFORMS}),
        ("fin-acknowledged-with-delay", "timers/half-close-is-not-bounded*", {Verdict.CONFORMS}),
    ],
)
def test_what_no_sentence_forbids_breaks_no_must(name: str, pattern: str, verdicts: set[Verdict]) -> None:
    chosen = [script for script in every_script() if matches(pattern, script.name)]
    assert chosen
    found = {play(script, variant=varied(name)).verdict for script in chosen}
    assert found <= verdicts
    assert found & (verdicts - {Verdict.NOT_APPLICABLE} or verdicts)


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("window-taken-back", "listen S@i A@p,r accept fill A@p,r/10 recv:100000"),
        ("window-taken-back", "1{offer=s.w3.t}:listen S@i A@p,r accept fill A@p,r/10 recv:100000 A@p,r/10"),
        ("syn-again-counts-as-repetition", "listen S@n [S@i] wait:400000"),
        ("fin-behind-text-acknowledged-with-delay", "1{delay=200}:listen S@i A@p,r FA@p,r/1 accept recv:10"),
        ("probes-without-an-octet", "connect SA@i,r send:100 A@p,u%0 wait:5000"),
        ("fin-acknowledged-with-delay", "1{delay=200}:connect SA@i,r FA@p,r close A@p,r"),
        ("fin-acknowledged-with-delay", "1{delay=400}:listen S@i A@p,r accept close A@p,r FA@p,r"),
        (
            "fin-acknowledged-with-delay",
            "1{delay=200}:listen S@i A@p,r repeat:9 *{same-port}:S@i *:A@p,r accept *:close *:FA@p,r end wait:4000",
        ),
        (
            "text-collected-for-a-moment",
            "1{window=1000}:connect SA@i,r buffer:8000 begin-send:60000 A@p,r A@p,r A@p,r A@p,r A@p,r A@p,r A@p,r",
        ),
        (
            "window-smaller-than-a-segment+window-shown-in-whole-segments",
            "1{offer=w7}:connect SA@i,r send:300 A@p,r A@p,r/10 recv:100 shutdown A@p,r FA@p,r",
        ),
        ("fin-acknowledged-with-delay+acks-for-every-second-segment", "connect S@i FA@p,r/5 wait:1000"),
        ("fin-acknowledged-with-delay", "1{delay=200}:connect SA@i,r shutdown FA@p,u A@p,r wait:4570"),
        (
            "fin-again-with-each-new-ack",
            "connect SA@i,r%0 shutdown wait:9130 [A@p,u/10%0] wait:9130 [A@p,u/10%0] wait:9130 wait:60000",
        ),
        ("keep-alive-with-an-octet", "connect SA@i,r A@p,r keep-alive:20 send:10 A@p,r wait:900000"),
        ("keep-alive-with-an-octet", "connect SA@i,r A@p,r keep-alive:20 urgent:10 A@p,r wait:50000"),
    ],
)
def test_conversations_have_an_explanation(name: str, plan: str) -> None:
    rig = Rig(open_target(parse(f"reference,variant={name}"), Settings()), guarded=False)
    try:
        outcome = run.play_generated(rig, generated_from(plan))
    finally:
        rig.close()
    assert [each for each in outcome.conversation.findings if each.level is Level.MUST] == []
    assert len(outcome.conversation.events) > 8
