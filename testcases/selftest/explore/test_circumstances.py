"""What a run chooses for each conversation besides: it must be the same each time, and harmless."""

import itertools
from collections import Counter

import pytest

from harness.case.rig import Rig
from harness.case.violation import Code, Finding, Level
from harness.expectations.changes import Scope
from harness.explore import circumstances, notation, run
from harness.explore.choice import Choice
from harness.explore.declared import Declared, Entry
from harness.explore.notation import generated_from
from harness.explore.plan import ip_of
from harness.explore.run import Generated
from harness.targets.protocol import Capability
from harness.targets.reference.target import ReferenceTarget

EVERYTHING = frozenset(Capability)


def first(count: int, seed: int = 1, ip: int = 0, capabilities: frozenset[Capability] = EVERYTHING) -> list[Generated]:
    chosen = Choice.of((), seed).for_target("any", capabilities, demand=False, ip=ip)
    return list(itertools.islice(chosen, count))


def test_a_run_speaks_both_ip_versions_where_the_target_does_and_none_was_named() -> None:
    versions = Counter(ip_of(each.plan) for each in first(200))
    assert min(versions[0], versions[6]) > 60
    assert {ip_of(each.plan) for each in first(50, ip=4)} == {0}
    assert {ip_of(each.plan) for each in first(50, capabilities=EVERYTHING - {Capability.IPV6})} == {0}


def test_a_form_that_there_is_on_one_ip_version_only_comes_on_that() -> None:
    for form, version in (("ip-options", 0), ("extension-headers", 6)):
        made = generated_from(f"1{{form={form}}}:listen S@i")
        assert {ip_of(circumstances.under(made, seed, 0).plan) for seed in range(30)} == {version}


def test_numbers_of_either_side_wrap_in_most_conversations_and_the_same_seed_chooses_the_same() -> None:
    texts = [notation.text_of(each) for each in first(200)]
    assert texts == [notation.text_of(each) for each in first(200)]
    assert texts != [notation.text_of(each) for each in first(200, seed=2)]
    assert sum("iss=" in text for text in texts) > 100


def test_a_twin_is_under_the_same_circumstances() -> None:
    made = generated_from("listen S@i A@p,r accept send:100 wait:700 [A@n,u-1] wait:9000")
    for seed in range(30):
        found = circumstances.under(made, seed, 0)
        assert found.twin is not None
        assert found.plan[0] == found.twin[0]
        assert len(found.plan) == len(found.twin) + 1


def test_what_a_conversation_says_itself_stays() -> None:
    made = generated_from("1{iss=-5,offer=w7,delay=200,ip=4}:listen S@i A@p,r")
    assert all(circumstances.under(made, seed, 0) == made for seed in range(30))


def test_a_declared_plan_is_met_under_any_circumstances_and_on_its_ip_version_only() -> None:
    scope = Scope()
    finding = Finding(Code.SILENT, Level.MUST, "<SEQ=1><CTL=RST>", "")
    for ip, expected in ((0, [True, True]), (4, [True, False]), (6, [False, True])):
        entry = Entry(
            "own.toml:1", {"observed": ("silent",), "plan": ("listen S@i*",)}, "", "", scope, ip, "listen S@i"
        )
        known = Declared([entry], 4, "1.0", both=True)
        plans = (generated_from("1{iss=-7}:listen S@i A@p,r"), generated_from("1{ip=6,offer=t}:listen S@i A@p,r"))
        assert [bool(known.about([finding], plan)) for plan in plans] == expected


#: Each was a false alarm once.
SOUND = (
    "connect SA@i,r%0 buffer:8000 begin-send:60000 wait:100",
    "listen S@n R@n lose:1 S@n A@p,n",
    "1{offer=s.w3.t}:listen S@n lose:1 A@n+1073741824,n A@n,n/10 A@e-1,n/4",
    "1{iss=-1000}:connect -@n SA@i,r S@i S@i recover R@n-1 lose:2 send:10 SA@i,n FA@p,u AU@p,r/10 A@p,u%10 FA@p,u",
    "connect S@i lose:1 shutdown FA@p,u await A@p,r A@p,r",
    "listen S@i A@p,r repeat:9 *{same-port}:S@i *:R@p end R@p [2{same-port}:S@i] wait:1170 [2:R@p] wait:9000",
)


@pytest.mark.parametrize("text", SOUND)
def test_the_sound_stack_is_clean(text: str) -> None:
    rig = Rig(ReferenceTarget(), guarded=False)
    assert run.play_generated(rig, generated_from(text)).conversation.findings == []
