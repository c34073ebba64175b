"""What the command tells of itself: an example per verb, exit codes, pages, and completion in three shells."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import cli
from harness.manual import completion, examples, pages
from harness.verbs import starting

ROOT = Path(__file__).resolve().parents[3]


def test_every_verb_has_an_example_that_is_one() -> None:
    assert set(examples.EXAMPLES) == set(cli.VERBS)
    for verb, lines in examples.EXAMPLES.items():
        for line in lines:
            assert f"tcpspec {verb}" in line


@pytest.mark.parametrize("verb", sorted(set(cli.VERBS) - {"test"}))
def test_the_help_of_a_verb_ends_with_its_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([verb, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.rstrip().endswith(examples.of(verb))


def test_help_lists_the_verbs_and_what_exit_codes_mean(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {verb} " in out for verb in cli.VERBS)
    assert "5  nothing ran" in out


def test_the_help_of_run_names_every_option_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["run", "--help"])
    out = capsys.readouterr().out
    for option in completion._OPTIONS:
        assert option in out, option
    assert "exit codes" in out


@pytest.mark.parametrize("task", pages.PAGES)
def test_a_page_is_there_and_printed(task: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["help", task]) == 0
    assert capsys.readouterr().out == pages.PAGES[task].path.read_text(encoding="utf-8")


def test_a_page_that_is_not_there_is_told_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["help", "cooking"]) == 4
    assert "there is no page 'cooking'" in (told := capsys.readouterr().err)
    assert "findings" in told


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("tcpspec ru", "run"),
        ("tcpspec run --tar", "--target"),
        ("tcpspec run --target li", "linux"),
        ("tcpspec show three", "three-way-handshake"),
        ("tcpspec run --case passive-open/three", "passive-open/three-way-handshake"),
        ("tcpspec help fin", "findings"),
        ("tcpspec coverage --by t", "tc8"),
        ("tcpspec completion f", "fish"),
    ],
)
def test_a_word_is_completed(line: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["complete", line]) == 0
    assert word in capsys.readouterr().out.split()


def test_names_of_cases_are_those_that_are_collected() -> None:
    code, collector = starting.collect(["--ip", "4", "--grid", "off"])
    assert code == 0
    collected = {case.case_id.partition("[")[0] for case, _item in collector.items}
    assert collected <= set(completion.case_names([ROOT / "testcases"]))


def test_bash_completes(tmp_path: Path) -> None:
    launcher = tmp_path / "tcpspec"
    launcher.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m harness "$@"\n')
    launcher.chmod(0o755)
    script = 'eval "$(tcpspec completion bash)"; COMP_LINE="tcpspec show four"; COMP_POINT=${#COMP_LINE}; _tcpspec; '
    done = subprocess.run(
        ["bash", "-c", f'{script} echo "${{COMPREPLY[@]}}"'],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["four-way-close", "four-way-close-by-shutdown"]
    assert done.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_is_a_program_of_its_shell(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    subprocess.run([shell, "-n"], input=completion.SCRIPTS[shell], text=True, timeout=60, check=True)
