"""A campaign against defects: what is harmless survives, and what breaks the harness is no kill."""

import os
import select
import subprocess
import sys
from functools import partial

import pytest

from harness.mutate import command
from harness.mutate.campaign import Campaign
from harness.mutate.script import CPU_S
from harness.mutate.tape import RecordedTarget
from harness.stack import Datagram, Stack
from harness.stack.defects import DEFECTS, Defect
from testcases.selftest.scripts import FEW, collect_few, scripts


class Harmless(Stack):
    """Nothing that anybody could notice."""

    def poll(self) -> list[Datagram]:
        return list(super().poll())


class Raising(Stack):
    """Breaks off in the middle."""

    def arrive(self, datagram: Datagram) -> None:
        raise ZeroDivisionError("in the stack")


class Looping(Stack):
    """Does not come to an end, and lets nobody interrupt it."""

    def arrive(self, datagram: Datagram) -> None:
        while True:
            try:
                for _ in range(1000):
                    pass
            except Exception:
                continue


class Dying(Stack):
    """Takes the process with it."""

    def arrive(self, datagram: Datagram) -> None:
        os._exit(7)


def as_defect(stack_class: type[Stack]) -> Defect:
    return Defect("D01", stack_class.__doc__ or "", ("RFC 9293 §3.10.7.1",), "own", stack_class)


def campaign_against(*defects: Defect, cpu_s: float = CPU_S, **settings: object) -> Campaign:
    """Return a campaign that was played; `cpu_s` bounds the cases under a defect, and not those of the sound stack."""
    campaign = Campaign(list(scripts(*FEW)), **settings)  # type: ignore[arg-type]
    assert len(list(campaign.play_sound())) == len(campaign.scripts)
    assert campaign.unsound == []
    campaign.cpu_s = cpu_s
    assert [trial.name for trial in campaign.play_defects({each.name: each for each in defects})]
    return campaign


def test_what_is_harmless_survives_and_fails_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["-n", "1"], collect_few, {"D01": as_defect(Harmless)}) == command.NOT_AS_EXPECTED
    printed = capsys.readouterr().out
    assert "SURVIVES" in printed
    assert "0 of 1 defects are killed" in printed


def test_what_makes_the_stack_raise_is_a_failure_and_no_kill(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["-n", "1"], collect_few, {"D01": as_defect(Raising)}) == command.HARNESS_FAILURE
    printed = capsys.readouterr().out
    assert "ZeroDivisionError: in the stack" in printed
    assert "test_campaign.py" in printed
    assert "0 of 1 defects are killed" in printed


def test_what_loops_is_a_failure_and_no_kill() -> None:
    campaign = campaign_against(as_defect(Looping), cpu_s=0.5)
    (trial,) = campaign.trials.values()
    assert (campaign.survivors, campaign.troubled) == (["D01"], ["D01"])
    assert trial.troubles[0].shown.text == "it did not end within 0.5 s"
    assert trial.played <= 2, "a defect under which a case hangs is given up"


def test_a_killed_run_leaves_no_worker_behind() -> None:
    code = "import os, time; from harness.mutate.workers import in_order; print(list(in_order(2, "
    code += "lambda _task: (os.write(1, b'%d\\n' % os.getpid()), time.sleep(100)), [1, 2])))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [os.pidfd_open(int(parent.stdout.readline())) for _ in range(2)]
        parent.kill()
        parent.wait()
        assert parent.stdout.read() == ""  # the end comes when nobody holds the pipe any more
    for worker in workers:
        ended, _writable, _other = select.select([worker], [], [], 30)
        os.close(worker)
        assert ended, "a worker lives on without the run it worked for"


def test_a_worker_that_dies_is_a_failure_of_its_defect() -> None:
    campaign = campaign_against(as_defect(Dying))
    assert [trouble.shown.text for trouble in campaign.trials["D01"].troubles] == ["the worker process died"]
    assert campaign.troubled == ["D01"]


def test_an_unsound_stack_says_nothing_about_defects(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = DEFECTS["D10"].stack_class
    monkeypatch.setattr("harness.mutate.script.RecordedTarget", partial(RecordedTarget, stack_class=wrong))
    assert command.main(["D01", "-n", "1"], collect_few) == command.NOT_AS_EXPECTED
    printed = capsys.readouterr().out
    assert "the stack without defects is not clean" in printed
    assert "passive-open/three-way-handshake: violates" in printed


def test_the_table_is_the_same_however_many_workers_there_are() -> None:
    chosen = [DEFECTS[name] for name in ("D01", "D04", "D10", "D43")]
    trials = [campaign_against(*chosen, full=True, workers=workers).trials for workers in (1, 3)]
    assert trials[0] == trials[1]
    assert all(trial.kills for trial in trials[0].values())


def test_the_first_kill_ends_the_search_and_a_full_run_goes_on() -> None:
    first, full = (campaign_against(DEFECTS["D01"], full=full).trials["D01"] for full in (False, True))
    assert len(first.kills) == 1 < len(full.kills)
    assert first.kills[0] == full.kills[0]
    assert first.played < full.played == len(scripts(*FEW))


def test_cases_that_kill_nothing_are_named_in_a_full_run() -> None:
    campaign = campaign_against(DEFECTS["D01"], full=True)
    assert "passive-open/three-way-handshake" in campaign.idle()
    assert "closed-and-listening/reset-counts-across-the-wrap" not in campaign.idle()
