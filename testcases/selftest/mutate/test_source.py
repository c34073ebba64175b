"""`tcpspec mutate --source`: mutants of the source come and go without a trace, and what the cases miss is named."""

import json
from pathlib import Path

import pytest

from harness.case.verdict import Verdict
from harness.mutate import command, source, source_command
from harness.mutate.script import play
from harness.mutate.source_campaign import CASE, NEVER, SURVIVES, SourceCampaign
from harness.stack.handshake import Handshake
from harness.stack.output import SENDING
from harness.stack.reception import RECEIVING
from testcases.selftest.scripts import FEW, collect_few, scripts

HANDSHAKE = "passive-open/three-way-handshake"


def _only(pattern: str) -> source.Mutant:
    (mutant,) = source.mutants(pattern)
    return mutant


def test_every_operator_makes_code_that_fits_and_is_taken_out_again() -> None:
    every = source.mutants()
    assert len({mutant.name for mutant in every}) == len(every) > 2000
    code = Handshake.learn_from_syn.__code__
    for mutant in every[::9]:
        with mutant.applied():
            pass
        before, after = mutant.change
        assert before != after, mutant.title
    assert Handshake.learn_from_syn.__code__ is code
    assert play(scripts(HANDSHAKE)[0]).verdict is Verdict.CONFORMS


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        (r"Handshake.learn_from_syn: 2 for 1$", "wrong-ack"),
        (r"Handshake.learn_from_syn: without 1$", "wrong-ack"),
    ],
)
def test_a_mutant_is_in_force_as_long_as_it_is_applied(pattern: str, code: str) -> None:
    (script,) = scripts(HANDSHAKE)
    with _only(pattern).applied():
        shown = play(script)
    assert (shown.verdict, shown.code) == (Verdict.VIOLATES, code)
    assert play(script).verdict is Verdict.CONFORMS


def test_a_constant_is_changed_wherever_it_was_imported_to() -> None:
    from harness.stack import reassembly, retransmission

    assert retransmission.SENDING is SENDING
    with _only(r"output.py:\d+ LARGEST_FIELD: 65534 for").applied():
        from harness.stack import output

        assert output.LARGEST_FIELD == 65534
    assert output.LARGEST_FIELD == 65535
    assert reassembly.seqno is output.seqno
    assert len(RECEIVING) == 3


def test_what_each_case_executes_is_known() -> None:
    with source.watched() as seen:
        play(scripts("closed-and-listening/closed-port-answers")[0])
        refused = set(seen)
        play(scripts(HANDSHAKE)[0])
    assert {module for module, _line in refused} >= {"stack", "listener"}
    assert "reception" not in {module for module, _line in refused}
    assert "reception" in {module for module, _line in seen}


def test_mutants_are_noticed_survive_or_are_never_executed() -> None:
    campaign = SourceCampaign(list(scripts(*FEW)))
    campaign.play_sound()
    assert campaign.unsound == []
    chosen = [
        _only(r"Handshake.learn_from_syn: without 1$"),
        source.mutants(r"Retransmission.keep_alive_timeout: condition negated")[0],
        _only(r"stack.py:\d+ KEPT_EVENTS: 1001"),
    ]
    fates = [fate.what for _mutant, fate in campaign.play_mutants(chosen)]
    assert fates == [CASE, NEVER, SURVIVES]


def test_a_sample_is_the_same_for_a_seed() -> None:
    every = source.mutants()
    first, again, other = (source.sample(every, 20, seed) for seed in (1, 1, 2))
    assert [mutant.name for mutant in first] == [mutant.name for mutant in again]
    assert [mutant.name for mutant in first] != [mutant.name for mutant in other]


def test_the_command_prints_the_survivors_and_writes_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(source_command, "CONVERSATIONS", 2)
    file = tmp_path / "mutants.json"
    arguments = ["--source", "KEPT_EVENTS|learn_from_syn: without 1$", "-n", "1", "--json", str(file)]
    assert command.main(arguments, collect_few) == command.OK
    printed = capsys.readouterr().out
    assert "KEPT_EVENTS: 1001 for 1000\n   - KEPT_EVENTS = 1000\n   + KEPT_EVENTS = 1001\n" in printed
    told = json.loads(file.read_text(encoding="utf-8"))
    assert {each["what"] for each in told} == {CASE, SURVIVES}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such_thing"], "no mutant matches 'no_such_thing'"),
        (["("], "is no pattern of mutants"),
        (["--count", "0"], "or more"),
        (["--json", "/nowhere/there.json"], "/nowhere/there.json: No such file"),
    ],
)
def test_bad_input_gets_one_clear_message(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--source", *arguments], collect_few) == command.USAGE_ERROR
    assert message in capsys.readouterr().err


def test_the_list_shows_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--source", "--list", "--count", "1", "Handshake.acknowledges_our_syn"], collect_few) == 0
    printed = capsys.readouterr().out
    assert "handshake.py:" in printed
    assert "   + return " in printed
