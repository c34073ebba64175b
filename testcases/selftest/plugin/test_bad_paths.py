"""Bad input and poor machines: one clear message that says what to do, and the right exit code."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import VERBS
from testcases.selftest import forked

ROOT = Path(__file__).resolve().parents[3]
HINDERED = Path(__file__).parents[1] / "hindered.py"
USAGE, NOTHING_RAN = 4, 5


class Done:
    """What a command printed and how it ended."""

    def __init__(self, code: int, output: str) -> None:
        self.code = code
        self.output = output

    @property
    def errors(self) -> list[str]:
        """The lines that pytest marks as its error, without the hint below."""
        return [line for line in self.output.splitlines() if line.startswith("ERROR:")]


def tcpspec(*arguments: str, cwd: Path, hindrance: str = "") -> Done:
    """Run the command in `cwd`; with a hindrance in a process of its own, on a machine that lacks something."""
    if hindrance:
        command = [sys.executable, str(HINDERED), hindrance, sys.executable, "-m", "harness", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
    else:
        done = forked.tcpspec(*arguments, cwd=cwd)
    assert "Traceback (most" not in done.stdout + done.stderr, done.stdout + done.stderr
    return Done(done.returncode, done.stdout + done.stderr)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--target", "solaris"], "there is no target 'solaris'"),
        (["--target", "linux,colour=red"], "unknown option 'colour'"),
        (["--target", "linux,release="], "'' is no release of a kernel"),
        (["--target", "linux,release=6.8 \t x"], "give what `uname -r` prints"),
        (["--target", "linux,release=٦.٨"], "'٦.٨' is no release of a kernel"),
        (["--target", "kernel:uml,release=" + 65 * "6"], "is no release of a kernel"),
        (["--target", "linux:6.1"], "linux takes nothing behind a colon"),
        (["--target", "reference,defect=D9999"], "there is no defect 'D9999'"),
        (["--target", "docker:linux,wire=air"], "wire is one of attached, tap, veth"),
        (["--target", "docker:linux,runtime=runsc,wire=tap"], "another runtime needs wire=veth"),
        (["--target", "exec:./adapter", "--set", "tcp_sack=0"], "a stack behind an adapter has no sysctls"),
        (["--rfc", "9293/99"], "there is no such section"),
        (["--rfc", "nine"], "can't read the selector"),
        (["--requirement", "MUST-130"], "no requirement has the id 'MUST-130'"),
        (["--set", "tcp_rfc1337"], "write SYSCTL=VALUE"),
        (["--set", "tcp_rfc1338=1"], "this kernel has no sysctl net.ipv4.tcp_rfc1338"),
        (["--set", "tcp_rmem=a lot"], "--set: this kernel refuses net.ipv4.tcp_rmem=a lot"),
        (["--set", "kernel.panic=1"], "only sysctls of the network namespace"),
        (["--set", "../../kernel/panic=1"], "only sysctls of the network namespace"),
        (["--time-scale", "0.5"], "--time-scale must be 1 or more"),
        (["--time-scale", "nan"], "--time-scale must be 1 or more"),
        (["--timers", "-1"], "--timers -1: write seconds"),
        (["--timers", "nan"], "--timers nan: write seconds"),
        (["--junitxml=/dev/null/tcp.xml"], "--junitxml /dev/null/tcp.xml: can't be written: Not a directory"),
        (["--junitxml=/dev"], "/dev"),
        (["--pkt", "/dev/null/scripts"], "--pkt /dev/null/scripts: can't be written: Not a directory"),
        (["no-such-file.py", "-n", "2"], "file or directory not found: no-such-file.py"),
        (["--results", "/dev/null/results"], "can't be written"),
        (["--expectations", "missing.toml"], "missing.toml: can't be read"),
        (["--observer", "tcpdump"], "invalid choice"),
        (["--level", "may"], "invalid choice"),
        (["--no-such-option"], "unrecognized arguments"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_option_is_a_usage_error_that_names_it(arguments: list[str], says: str, tmp_path: Path) -> None:
    done = tcpspec("run", "--case", "three-way-handshake", *arguments, cwd=tmp_path)
    assert done.code == USAGE, done.output
    assert says in done.output


def test_a_place_for_pictures_is_tried_before_anything_is_played(tmp_path: Path) -> None:
    done = tcpspec("docs", "-o", "/dev/null/pictures", cwd=tmp_path)
    assert done.code == USAGE
    assert "/dev/null/pictures: Not a directory" in done.output
    assert "passed" not in done.output


def test_a_test_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = tcpspec("test", "no-such-test.py", cwd=tmp_path)
    assert done.code == USAGE
    assert "file or directory not found: no-such-test.py" in done.output


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[[deviation]]\ncase = 'a'\nobserved = ", 3, "not TOML"),
        ("\n[[deviation]]\ncase = 'a'\nobserved = 'silent'\nreason = 'r'\n", 2, "'source' is missing"),
        ("\n\n[[deviation]]\ncase = 'a'\ncolour = 'red'\n", 3, "unknown key 'colour'"),
    ],
    ids=["syntax", "missing key", "unknown key"],
)
def test_a_broken_expectations_file_is_named_with_its_line(text: str, line: int, says: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(text)
    done = tcpspec("run", "--expectations", "mine.toml", cwd=tmp_path)
    assert done.code == USAGE
    assert f"mine.toml:{line}: " in done.output
    assert says in done.output


def test_an_expectation_about_no_case_at_all_is_an_error(tmp_path: Path) -> None:
    entry = "[[deviation]]\ncase = 'closing/never-written'\nobserved = 'silent'\nreason = 'r'\nsource = 's'\n"
    (tmp_path / "mine.toml").write_text(entry)
    done = tcpspec("run", "--expectations", "mine.toml", "--case", "sanity/*", cwd=tmp_path)
    assert done.code == USAGE
    assert "mine.toml:1: no case is called 'closing/never-written'" in done.output


@pytest.mark.parametrize("verb", ["run", "show", "explain"])
def test_a_case_that_does_not_exist_runs_nothing_and_suggests_one(verb: str, tmp_path: Path) -> None:
    arguments = ["--case", "three-way-handshakes"] if verb == "run" else ["three-way-handshakes"]
    done = tcpspec(verb, *arguments, cwd=tmp_path)
    assert done.code == (NOTHING_RAN if verb == "run" else USAGE)
    assert "there is no case 'three-way-handshakes'; did you mean three-way-handshake" in done.output


@pytest.mark.parametrize(
    "arguments",
    [[], ["dance"], ["explain"], ["show"], ["doctor", "now"], ["bench", "fast"], ["bench", "stability", "--runs", "0"]],
)
def test_a_wrong_verb_or_none_is_a_usage_error(arguments: list[str], tmp_path: Path) -> None:
    assert tcpspec(*arguments, cwd=tmp_path).code == USAGE


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "usage: tcpspec adapter check COMMAND"),
        (["check"], "usage: tcpspec adapter check COMMAND"),
        (["check", ""], "needs the command that starts an adapter"),
        (["check", "./adapter 'open"], "is no command line: No closing quotation"),
        (["check", "docker:"], "docker: needs an image"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_check_of_no_adapter_is_a_usage_error(arguments: list[str], says: str, tmp_path: Path) -> None:
    done = tcpspec("adapter", *arguments, cwd=tmp_path)
    assert done.code == USAGE
    assert says in done.output


@pytest.mark.parametrize("arguments", [["--help"], ["check", "--help"]], ids=" ".join)
def test_the_check_of_adapters_has_help(arguments: list[str], tmp_path: Path) -> None:
    done = tcpspec("adapter", *arguments, cwd=tmp_path)
    assert done.code == 0
    assert "docker/ADAPTER.md is the protocol" in done.output


@pytest.mark.parametrize("verb", sorted(VERBS))
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_verb_has_help(verb: str, option: str, tmp_path: Path) -> None:
    done = tcpspec(verb, option, cwd=tmp_path)
    assert done.code == 0
    assert re.search(r"usage: |tcpspec run \[options", done.output), done.output


@pytest.mark.parametrize("command", [["true"], ["exec:true"], ["true", "-h"]], ids=" ".join)
def test_a_command_to_check_may_be_written_as_the_target_is(command: list[str], tmp_path: Path) -> None:
    done = tcpspec("adapter", "check", *command, cwd=tmp_path)
    assert done.code == 1
    assert "the adapter ended with exit code 0 at 'hello" in " ".join(done.output.split())


def test_forbidden_user_namespaces_are_named_with_the_commands_that_help(tmp_path: Path) -> None:
    done = tcpspec("run", "--case", "sanity/*", cwd=tmp_path, hindrance="no-user-namespaces")
    assert done.code == USAGE
    assert len(done.errors) == 1
    assert "user namespace: No space left on device" in done.errors[0]
    for words in ("sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0", "run the same command with sudo"):
        assert words in done.output


def test_the_doctor_finds_forbidden_user_namespaces(tmp_path: Path) -> None:
    done = tcpspec("doctor", cwd=tmp_path, hindrance="no-user-namespaces")
    assert done.code == USAGE
    assert "user namespaces  the limit is 0" in done.output


def test_a_read_only_proc_sys_is_named_with_what_a_container_needs(tmp_path: Path) -> None:
    done = tcpspec("run", "--case", "sanity/*", cwd=tmp_path, hindrance="read-only-sysctls")
    assert done.code == USAGE
    assert len(done.errors) == 1
    assert "sysctl: Read-only file system" in done.errors[0]
    assert "docker run" in done.output


def test_without_ss_the_run_works_and_says_that_this_evidence_is_missing(tmp_path: Path) -> None:
    done = tcpspec("run", "--case", "sanity/*", cwd=tmp_path, hindrance="no-ss")
    assert done.code == 0, done.output
    target = json.loads((tmp_path / "results" / "results.jsonl").read_text().splitlines()[1])
    assert target["details"]["ss"] == "missing"


def test_without_ss_it_can_not_be_the_observer(tmp_path: Path) -> None:
    done = tcpspec("run", "--case", "sanity/*", "--observer", "ss", cwd=tmp_path, hindrance="no-ss")
    assert done.code == USAGE
    assert "--observer ss needs the program ss" in done.output
    assert "install the package iproute2" in done.output


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "two workers"])
def test_an_unusable_target_is_one_message_also_under_xdist(workers: list[str], tmp_path: Path) -> None:
    done = tcpspec("run", "--set", "tcp_rfc1338=1", *workers, cwd=tmp_path)
    assert done.code == USAGE
    assert len(done.errors) == 1


@pytest.fixture
def earlier(tmp_path: Path) -> dict[str, bytes]:
    """What a run left before."""
    assert tcpspec("run", "--case", "sanity/*", "--ip", "4", "--pcap", "on", cwd=tmp_path).code == 0
    return left(tmp_path)


def left(folder: Path) -> dict[str, bytes]:
    """Return the files of the results, by their names."""
    files = [file for file in (folder / "results").rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.mark.parametrize(
    "command",
    [
        ["run", "--case", "sanity/no-such-case"],
        ["run", "--target", "exec:true"],
        ["run", "--target", "tap:false"],
        ["run", "--case", "sanity/*", "--set", "tcp_rfc1338=1", "-n", "2"],
        ["explore", "--kind", "no-such-kind"],
        ["explore", "--target", "exec:true", "--count", "3"],
    ],
    ids=" ".join,
)
def test_a_command_that_comes_to_nothing_leaves_the_results_of_the_run_before(
    command: list[str], earlier: dict[str, bytes], tmp_path: Path
) -> None:
    assert any(name.endswith(".pcapng") for name in earlier)
    assert tcpspec(*command, cwd=tmp_path).code in (USAGE, NOTHING_RAN)
    assert left(tmp_path) == earlier


def test_a_command_that_comes_to_nothing_makes_no_results(tmp_path: Path) -> None:
    assert tcpspec("run", "--target", "exec:true", "--results", "a/b", cwd=tmp_path).code == USAGE
    assert not (tmp_path / "a").exists()


def test_a_shard_that_has_got_nothing_is_a_whole_run(tmp_path: Path) -> None:
    assert tcpspec("run", "--case", "sanity/*", "--ip", "4", "--shard", "99/99", cwd=tmp_path).code == NOTHING_RAN
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "results" / "results.jsonl").read_text().splitlines()]
    assert kinds == ["header", "footer"]
