"""Several variants in one stack: what each decides holds, contradictions are refused, and a failure names its part."""

import itertools

import pytest

from harness import cli
from harness.case.selection import matches
from harness.case.verdict import BAD
from harness.mutate.script import Script, play
from harness.mutate.variants import play_on, smallest
from harness.stack.connection import Connection
from harness.stack.variants import VARIANTS, Contradiction, Variant, mixtures, together, varied
from harness.stack.variants.together import contradiction
from harness.stack.variants.variant import settings_variant
from harness.targets import registry
from harness.targets.protocol import UnusableTarget
from harness.targets.registry import Settings
from testcases.selftest.mutate.test_variants import every_script


def _scripts(pattern: str) -> list[Script]:
    return [script for script in every_script() if matches(pattern, script.name)]


def test_a_stack_of_several_variants_decides_as_each_of_them() -> None:
    both = varied("nagle-off+text-in-small-segments+only-mss")
    connection = both.stack_class.connection_class
    assert connection.may_send_small is varied("nagle-off").stack_class.connection_class.may_send_small
    assert connection.send_mss is varied("text-in-small-segments").stack_class.connection_class.send_mss
    assert both.config["sack"] is False
    assert both.lacks == varied("only-mss").lacks
    assert both.sections[:1] == varied("nagle-off").sections


def test_parts_of_every_kind_are_put_together() -> None:
    both = varied("isn-without-a-hash+syn-cookies+receive-by-segments+text-with-third-segment").stack_class
    for name in ("isn-without-a-hash", "syn-cookies", "receive-by-segments", "text-with-third-segment"):
        own = varied(name).stack_class
        assert issubclass(both, own)
        for place in ("connection_class", "listener_class", "socket_class"):
            part = getattr(own, place)
            assert issubclass(getattr(both, place), part)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ("time-wait-of-30-s+time-wait-of-60-s", "both set msl_s"),
        ("isn-of-the-clock+isn-with-counter", "both replace choose_iss"),
        ("nagle-off+no-sack+nagle-off", "one and the same"),
        ("rfc5961-none+rfc5961-without-rst", "both replace check_reset"),
    ],
)
def test_variants_that_contradict_each_other_are_refused(names: str, reason: str) -> None:
    with pytest.raises(Contradiction, match=reason):
        varied(names)
    with pytest.raises(UnusableTarget, match=reason):
        registry.open_target(registry.parse(f"reference,variant={names}"), Settings())


def test_all_that_do_not_contradict_each_other_make_a_stack() -> None:
    made = 0
    for first, second in itertools.combinations(VARIANTS.values(), 2):
        if not contradiction(first, second):
            assert issubclass(together([second, first]).stack_class.connection_class, Connection)
            made += 1
    assert made > 12_000


def test_mixtures_bring_pairs_together_that_have_not_met() -> None:
    made = mixtures(list(VARIANTS.values()), 20, 5, seed=1)
    names = [variant.name.split("+") for variant in made]
    assert [len(each) for each in names] == [5] * 20
    pairs = [frozenset(pair) for each in names for pair in itertools.combinations(each, 2)]
    assert len(set(pairs)) == len(pairs)
    assert [each.name for each in mixtures(list(VARIANTS.values()), 20, 5, seed=1)] == [each.name for each in made]
    assert mixtures(list(VARIANTS.values()), 1, 5, seed=2)[0].name != made[0].name


def test_a_mixture_of_few_has_all_that_fit() -> None:
    few = [varied(name) for name in ("no-sack", "isn-of-the-clock", "isn-with-counter")]
    assert {len(variant.name.split("+")) for variant in mixtures(few, 3, 10, seed=1)} == {2}


def test_a_failure_names_the_part_of_a_mixture_that_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[str, Variant] = {}
    monkeypatch.setattr("harness.stack.variants.variant.DECLARED", known)
    settings_variant(
        "early", "It gives up a SYN after five seconds.", "MUST-23", allows="None does.", syn_timeout_s=5.0
    )
    monkeypatch.setattr("harness.stack.variants.VARIANTS", {**VARIANTS, **known})
    mixture = varied("nagle-off+early+no-sack")
    failed = play_on(_scripts("timers/syn*"), mixture).failed
    assert failed
    script = next(each for each in _scripts("timers/syn*") if each.name == failed[0].case_id)
    assert smallest(script, mixture).name == "early"
    assert play(script, variant=varied("nagle-off+no-sack")).verdict not in BAD


def test_the_verb_plays_mixtures_and_conversations(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["variants", "--mixtures", "2", "--size", "3", "--explore", "3", "-n", "1"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.count("+") for line in shown[:2]] == [2, 2]
    assert shown[-1] == "3 cases break no MUST on 2 of 2 variants"
    assert cli.main(["variants", "no-sack+no-sack"]) == 4
    assert "leave one of them out" in capsys.readouterr().err
    assert cli.main(["variants", "--mixtures", "0"]) == 4
    assert "1 or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cases", "names"),
    [
        ("timers/closed-window-is-probed*", "probes-of-two-octets+text-collected-for-a-moment"),
        ("header/nagle-can-be-switched-off*", "text-collected-for-a-moment"),
        ("passive-close/segments-without-ack*", "window-of-zero-behind-the-fin"),
        ("passive-close/data-in-last-ack*", "window-of-zero-behind-the-fin"),
    ],
)
def test_what_was_once_held_against_a_correct_stack_is_clean(cases: str, names: str) -> None:
    """What a probe has not brought may follow a moment later, text is not collected by Nagle, a window may be gone."""
    played = play_on(_scripts(cases), varied(names))
    assert played.cases > played.not_applicable
    assert not played.failed
