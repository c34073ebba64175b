"""The variants: correct, but different. No case may break a MUST on any of them, and none be inconclusive."""

import os
import re
import zlib
from functools import cache

import pytest

from harness.case.selection import matches
from harness.mutate.script import Script
from harness.mutate.variants import play_on
from harness.spec import citations
from harness.stack import Config, Stack
from harness.stack.variants import VARIANTS, UnknownVariant, Variant, varied
from harness.targets import registry
from harness.targets.protocol import Capability, UnusableTarget
from harness.targets.registry import Settings
from harness.verbs import starting

#: Besides the scenarios these are clean in cells of the grid and in timer cases as well; of the others
#: `tcpspec variants` tells.
SETTLED = (
    "acks-never-delayed",
    "acks-delayed",
    "acks-for-every-second-segment",
    "ack-apart-from-text",
    "challenges-throttled-by-connection",
    "fin-again-with-each-new-ack",
    "resets-limited",
    "resets-say-why",
    "only-mss",
    "isn-hash-of-all",
    "window-told-with-the-next-ack",
)
ENOUGH = 80
#: RFCs of congestion control and recovery, SACK, ECN and accurate ECN, floods of SYNs, and the choice of ports.
BESIDE = ("2018", "2883", "3042", "3168", "4987", "5681", "5827", "6056", "8985", "9768")
#: A plain run plays one case in so many on each variant, another share on each; with TCPSPEC_VARIANTS=all every case.
SHARE = 12
#: And of the scenarios one in so many.
SCENARIO_SHARE = 40

every_variant = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())


@cache
def every_script() -> tuple[Script, ...]:
    code, collector = starting.collect(["--target", "reference", "--ip", "4"])
    assert code == 0
    return tuple(collector.scripts())


def share_for(variant: Variant) -> list[Script]:
    """Return the cases that a plain run plays on a variant: rows of one case are spread over the variants."""
    if os.environ.get("TCPSPEC_VARIANTS") == "all":
        return list(every_script())
    offset = zlib.crc32(variant.name.encode()) % SHARE
    return [script for at, script in enumerate(every_script()) if at % SHARE == offset]


@every_variant
def test_no_scenario_breaks_a_must_on_a_correct_but_different_stack(variant: Variant) -> None:
    scenarios = [script for script in every_script() if not matches("grid/*", script.name) and script.body is not None]
    quick = [script for script in scenarios if script.case.meta.timer_s is None]
    offset = 0 if os.environ.get("TCPSPEC_VARIANTS") == "all" else zlib.crc32(variant.name.encode()) % SCENARIO_SHARE
    every = 1 if os.environ.get("TCPSPEC_VARIANTS") == "all" else SCENARIO_SHARE
    played = play_on(quick[offset::every], variant)
    assert played.cases > 20
    assert [f"{each.case_id}: {each.shown.verdict} {each.shown.text}" for each in played.failed] == []


@pytest.mark.parametrize("variant", [VARIANTS[name] for name in SETTLED], ids=SETTLED)
def test_no_case_breaks_a_must_on_a_correct_but_different_stack(variant: Variant) -> None:
    played = play_on(share_for(variant), variant)
    assert played.cases > 100
    assert [f"{each.case_id}: {each.shown.verdict} {each.shown.text}" for each in played.failed] == []


def test_there_are_enough() -> None:
    assert len(VARIANTS) >= ENOUGH


def test_titles_differ_and_are_sentences() -> None:
    titles = [variant.title for variant in VARIANTS.values()]
    assert len(set(titles)) == len(titles)
    assert [title for title in titles if not re.fullmatch(r"[A-Z].*\.", title)] == []
    assert [variant.name for variant in VARIANTS.values() if not re.fullmatch(r"[A-Z].*\.", variant.allows)] == []


@every_variant
def test_what_allows_it_exists(variant: Variant) -> None:
    """Documents about extensions that no case cites have no table of sections here: their form is checked only."""
    assert variant.sections
    beside = [section for section in variant.sections if re.fullmatch(rf"RFC ({'|'.join(BESIDE)}) §[\d.]+", section)]
    cited = [section for section in variant.sections if section not in beside]
    assert len(citations.parse_all(cited)) == len(cited)


@every_variant
def test_it_differs_from_the_reference_stack(variant: Variant) -> None:
    sound = Config()
    other = {name for name, value in variant.config.items() if getattr(sound, name) != value}
    parts = ("connection_class", "listener_class", "socket_class")
    replaced = [part for part in parts if getattr(variant.stack_class, part) is not getattr(Stack, part)]
    own = [name for name in vars(variant.stack_class) if not name.startswith("__") and name not in parts]
    assert other or replaced or own


@every_variant
def test_what_it_lacks_is_a_capability(variant: Variant) -> None:
    assert variant.lacks <= {str(capability) for capability in Capability}


def test_a_variant_is_told_from_the_reference_stack() -> None:
    """The selftest would pass with variants that nobody can tell from the reference stack."""
    scripts = [script for script in every_script() if matches("timers/*", script.name)]
    slow = play_on(scripts, varied("first-rto-6-s"))
    assert slow.noted or slow.failed
    assert not play_on(scripts, varied("isn-hash-of-all")).noted


# --- by name ---------------------------------------------------------------------------------------------------------


def test_the_target_is_the_variant_and_says_so() -> None:
    target = registry.open_target(registry.parse("reference,variant=only-mss"), Settings())
    assert target.facts.details["variant"] == f"only-mss: {VARIANTS['only-mss'].title}"
    assert Capability.TIMESTAMPS not in target.capabilities


def test_an_unknown_variant_names_its_neighbours() -> None:
    with pytest.raises(UnknownVariant, match="no variant 'only-msss'") as caught:
        varied("only-msss")
    assert "only-mss" in caught.value.near
    with pytest.raises(UnusableTarget, match="no variant") as refused:
        registry.open_target(registry.parse("reference,variant=nagle"), Settings())
    assert "nagle-off" in refused.value.hint


def test_a_target_has_a_defect_or_is_a_variant() -> None:
    with pytest.raises(UnusableTarget, match="not both"):
        registry.open_target(registry.parse("reference,variant=only-mss,defect=D01"), Settings())
