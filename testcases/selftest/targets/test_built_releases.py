"""Older releases of a stack, built: the bugs that a later one mended, each shown by a case."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import cli
from harness.targets.adapter import check as adapter_check
from harness.targets.adapter.process import Command
from harness.targets.building import drivers
from harness.targets.protocol import UnusableTarget

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "harness" / "expectations" / "smoltcp" / "RELEASES.md"
#: Before, after, code, case.
ROWS = re.findall(r"\| (\S+) \| (\S+) \| `([\w-]+)` \| `(\S+)` \|", PAGE.read_text(encoding="utf-8"))


def test_the_newer_lwip_is_as_declared(tmp_path: Path) -> None:
    try:
        program = drivers.build("lwip", "2.2.1")
    except UnusableTarget as error:
        pytest.skip(str(error))
    lines: list[str] = []
    assert adapter_check.check(Command([str(program)]), lines.append), "\n".join(lines)
    chosen = ["sanity/*", "passive-open/*", "grid/syn-received-passive/*", "closed-and-listening/*own-address*"]
    arguments = ["run", "--target", "lwip:2.2.1", f"--results={tmp_path}", *(f"--case={each}" for each in chosen)]
    done = subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "lwIP 2.2.1" in done.stdout
    assert "known" in done.stdout


def test_two_releases_compared_tell_what_was_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    targets = ["--target", "smoltcp:0.13", "--target", "smoltcp:0.14"]
    case = "passive-open/reset-out-of-the-window-is-dropped[above]"
    ended = cli.main(["compare", *targets, "--case", case, "--results", str(tmp_path)])
    shown = capsys.readouterr()
    if ended == 4 and "smoltcp can't be built" in shown.err:
        pytest.skip(shown.err.strip())
    assert (ended, "newly conforms (2)" in shown.out) == (0, True), shown.out + shown.err


def test_the_page_has_rows() -> None:
    assert len(ROWS) >= 4


@pytest.mark.parametrize("row", ROWS, ids=[row[3] for row in ROWS])
def test_what_was_mended_shows_before_and_not_after(
    row: tuple[str, str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    before, after, code, case = row
    for release, verdict in ((before, 1), (after, 0)):
        ended = cli.main(["show", case, "--target", f"smoltcp:{release}", "--no-expectations"])
        shown = capsys.readouterr()
        if ended == 4 and "smoltcp can't be built" in shown.err:
            pytest.skip(shown.err.strip())
        assert ended == verdict, shown.out + shown.err
        assert (f"[{code}]" in shown.out) == bool(verdict)
