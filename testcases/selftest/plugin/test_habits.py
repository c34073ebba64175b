"""Habits of CI and of people at a desk: what failed before, shards, limits of time, reruns, one common cause."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.case import aside
from harness.report import causes, merge
from harness.report.runs import Case
from harness.spec.segment import ACK, PSH, Segment
from harness.trace import results
from testcases.selftest import forked
from testcases.selftest.made_runs import SILENT, case

ROOT = Path(__file__).resolve().parents[3]
#: The reference stack, but each ACK without text comes twice.
ECHO = """
from harness.spec.segment import ACK
from harness.targets.reference.target import ReferenceTarget
from harness.wire import codec

plain = ReferenceTarget.exchange

def exchange(self, *rest, **more):
    for arrival in plain(self, *rest, **more):
        segment = codec.decode(arrival.packet).segment
        yield from (arrival, arrival) if segment.flags == ACK and not segment.payload else (arrival,)

ReferenceTarget.exchange = lambda *rest, **more: list(exchange(*rest, **more))
"""
#: The same, but the time of a run is over when it ends.
LATE_ECHO = (
    ECHO
    + """
from harness.plugin import choosing

def pytest_unconfigure():
    choosing.age_s, choosing._RUNS = lambda: 1e6, iter(bytes(9))
"""
)
#: The reference stack, which resets every other listener's connection.
MOODY = """
from harness.targets.reference.target import ReferenceTarget
from pathlib import Path

mark = Path(__file__).with_suffix(".mark")
plain = ReferenceTarget.exchange

def exchange(self, *rest, **more):
    return plain(self, *rest, **more) if mark.exists() else plain(self, *rest, **more)[:0]

ReferenceTarget.exchange = exchange

def pytest_unconfigure():
    mark.touch()
"""


def run(folder: Path, *options: str, plugin: str = "", in_a_fork: bool = True) -> subprocess.CompletedProcess[str]:
    more = []
    if plugin:
        (folder / "meddling.py").write_text(plugin)
        more = ["-p", "meddling"]
    command = ["run", "--target", "reference", "--ip", "4", "--grid", "off", *more, *options]
    path = {"PYTHONPATH": f"{ROOT}:{folder}"}
    if in_a_fork:
        return forked.tcpspec(*command, environment=path, cwd=folder)
    return subprocess.run(
        [sys.executable, "-m", "harness", *command],
        env={**os.environ, **path},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def ids(folder: Path) -> list[str]:
    return [record["id"] for record in results.read(folder).cases]


def test_what_failed_runs_again_and_only_that(tmp_path: Path) -> None:
    wrong = ("--target", "reference,defect=D54")
    first = run(tmp_path, "--case", "half-close/*", *wrong)
    assert first.returncode == 1, first.stdout + first.stderr
    bad = {record["id"] for record in results.read(tmp_path / "results").cases if record["verdict"] == "violates"}
    again = run(tmp_path, "--lf", *wrong)
    assert again.returncode == 1, again.stdout + again.stderr
    assert set(ids(tmp_path / "results")) == bad
    assert "as expected in the results before (--lf, --among)" in again.stdout


def test_what_failed_runs_first(tmp_path: Path) -> None:
    wrong = ("--target", "reference,defect=D54", "--case", "half-close/*")
    run(tmp_path, *wrong)
    cases = results.read(tmp_path / "results").cases
    bad = {(record["id"], record["target"]) for record in cases if record["verdict"] == "violates"}
    run(tmp_path, *wrong, "--ff")
    after = [(record["id"], record["target"]) for record in results.read(tmp_path / "results").cases]
    assert set(after[: len(bad)]) == bad
    assert len(after) == len(cases)


def test_shards_are_all_cases_each_once_and_merge_into_the_whole_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = [tmp_path / f"shard-{number}" for number in (1, 2, 3)]
    for number, folder in enumerate(shards, 1):
        done = run(tmp_path, "--case", "half-close/*", f"--shard={number}/3", "--results", str(folder))
        assert done.returncode == 0, done.stdout + done.stderr
    run(tmp_path, "--case", "half-close/*", "--results", str(tmp_path / "whole"))
    found = [name for folder in shards for name in ids(folder)]
    assert len(found) == len(set(found))
    assert sorted(found) == sorted(ids(tmp_path / "whole"))
    assert merge.main([*map(str, shards), "-o", str(tmp_path / "merged")]) == 0
    assert sorted(ids(tmp_path / "merged")) == sorted(found)
    for missing in (shards[:2], [*shards, shards[0]], [tmp_path / "whole"]):
        assert merge.main([*map(str, missing), "-o", str(tmp_path / "no")]) == 4
    told = capsys.readouterr().err
    for words in ("shard 3 of 3 missing", "shard 1 of 3, as ", "not a run with --shard"):
        assert words in told
    assert not (tmp_path / "no").exists()


def test_shards_of_other_options_or_with_a_case_twice_are_no_run(tmp_path: Path) -> None:
    def shard(number: int, *names: str, others: int = 1) -> Path:
        writer = results.ResultsWriter(tmp_path / f"{number}-{len(names)}", command=[], shard=f"{number}/2")
        for name in names:
            writer.case(case(name))
        left_out = {merge.OTHER_SHARD: others}
        writer.finish(collected=len(names), interrupted=False, seconds=1, left_out=left_out)
        return writer.path

    first = results.read(shard(1, "a/b"))
    for path, words in (
        (shard(2, "a/c", "a/d"), "a part of 3 cases, but .* is a part of 2"),
        (shard(2, "a/b"), "a/b on linux IPv4 stands in .* too"),
    ):
        with pytest.raises(merge.Unmergeable, match=words):
            merge.check([first, results.read(path)])


def test_a_run_ends_when_its_time_is_over_and_says_what_it_left_out(tmp_path: Path) -> None:
    done = run(tmp_path, "--for", "0.2s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ not reached in time \(--for\)", done.stdout)
    run_read = results.read(tmp_path / "results")
    assert run_read.footer is not None
    assert run_read.footer["left_out"]["not reached in time (--for)"] > 0


def test_the_time_counts_from_the_command_and_the_target_is_looked_at_in_any_case(tmp_path: Path) -> None:
    done = run(tmp_path, "--for", "0.01s", in_a_fork=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"--for 0\.01s counts from the command's start, and the first case began after \d", done.stdout)
    assert {name.partition("/")[0] for name in ids(tmp_path / "results")} == {"sanity"}


def test_what_tells_most_comes_first_and_sweeps_last(tmp_path: Path) -> None:
    names = ("half-close/*", "resets/syn-is-challenged", "passive-open/three-way-handshake", "sanity/*")
    chosen = [word for name in (*names, "header/every-unknown-kind-in-a-syn") for word in ("--case", name)]
    done = run(tmp_path, "--for", "5m", *chosen)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not reached" not in done.stdout
    assert "counts from" not in done.stdout
    scenarios = [name.partition("[")[0] for name in ids(tmp_path / "results")]
    beginnings = list(dict.fromkeys(name if "half" not in name else "half-close" for name in scenarios))
    assert beginnings == [
        *dict.fromkeys(name for name in scenarios if name.startswith("sanity/")),
        "passive-open/three-way-handshake",
        "resets/syn-is-challenged",
        "half-close",
        "header/every-unknown-kind-in-a-syn",
    ]


def test_a_verdict_that_does_not_last_is_unstable_and_never_passed(tmp_path: Path) -> None:
    done = run(tmp_path, "--case", "three-way-handshake", "--reruns", "1", plugin=MOODY)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 unstable" in done.stdout
    (record,) = results.read(tmp_path / "results").cases
    assert record["verdict"] == "unstable"
    assert record["reason"].endswith("then as expected")


def test_one_extra_segment_behind_all_is_set_aside_and_what_is_behind_it_judged(tmp_path: Path) -> None:
    done = run(tmp_path, "--case", "resets/syn-is-challenged", "--case", "resets/reset-*", plugin=ECHO)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"common cause: \d+ cases fail by the same extra segment, ACK", done.stdout)
    assert re.search(r"set aside, (\d+) have no other fault; nothing else is behind it", done.stdout)
    aside = results.read(tmp_path / "results" / "set-aside").cases
    assert {record["verdict"] for record in aside} == {"conforms"}
    assert any("(set aside)" in line for record in aside for line in record["trace"])


def test_what_is_judged_again_has_no_limit_of_time(tmp_path: Path) -> None:
    options = ["--case", "resets/syn-is-challenged", "--case", "resets/reset-*", "--case", "sanity/*", "--for", "5m"]
    done = run(tmp_path, *options, plugin=LATE_ECHO)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "nothing else is behind it" in done.stdout, done.stdout
    aside = results.read(tmp_path / "results" / "set-aside").cases
    assert len(aside) >= causes.FEWEST
    assert {record["verdict"] for record in aside} == {"conforms"}


def extra(name: str, segment: str) -> Case:
    return Case(case(name, "violates", {**SILENT, "code": "extra", "expected": "nothing", "observed": segment}), Path())


def test_a_few_cases_have_no_common_cause() -> None:
    many = [extra(f"a/b[{at}]", f"<SEQ={at}><CTL=ACK>") for at in range(causes.FEWEST)]
    assert causes.common(many[1:]) is None
    cause = causes.common(many)
    assert cause is not None
    assert (cause.segment, len(cause.cases)) == ("ACK", causes.FEWEST)
    others = [extra(f"a/c[{at}]", f"<SEQ={at}><CTL=RST>") for at in range(5 * causes.FEWEST)]
    assert str(causes.common([*many, *others])) == "100 cases fail by the same extra segment, RST"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--shard=4/3", "I from 1 to N"),
        ("--shard=x", "such as --shard 3/8"),
        ("--for=soon", "60s, 5m or 1h"),
        ("--max-failures=0", "1 or more"),
        ("--reruns=-1", "0 or more"),
        ("--sw", "judged in batches"),
        ("--lf", "no results of a run before"),
        ("--among=nowhere", "nowhere"),
        ("--set-aside=everything", "such as ACK or 'PSH,ACK with text'"),
    ],
)
def test_a_bad_option_gets_one_sentence(tmp_path: Path, option: str, words: str) -> None:
    done = run(tmp_path, option)
    assert done.returncode == 4
    assert words in done.stderr
    assert "Traceback" not in done.stderr


#: A plugin that takes its worker down once, in the middle of its cases, with all that it holds back.
FALL = """
import os
from pathlib import Path

import pytest

mark = Path(__file__).with_suffix(".fallen")
count = 0

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    global count
    count += 1
    if count == 4 and os.environ.get("PYTEST_XDIST_WORKER") and not mark.exists():
        mark.touch()
        os._exit(9)
"""


def test_what_a_lost_worker_took_with_it_is_said_and_given_to_another(tmp_path: Path) -> None:
    options = ["--case", "half-close/*", "--case", "sanity/*", "--tx", "2*popen", "--dist", "load"]
    done = run(tmp_path, *options, plugin=FALL, in_a_fork=False)
    assert "cases have no verdict: a worker is lost. They are given to another:" in done.stdout, done.stdout
    whole = results.read(tmp_path / "results")
    assert whole.complete
    assert {record["verdict"] for record in whole.cases} == {"conforms"}
    assert len(whole.cases) == 24
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_segment_is_called_as_it_is_printed_however_it_is_written() -> None:
    assert aside.canonical("ack") == "ACK"
    assert aside.canonical("ACK,PSH with text") == aside.name_of(Segment(PSH | ACK, payload=b"x"))
