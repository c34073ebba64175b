"""The page of findings is true: every row's command shows that defect, with that code, on that release."""

import re
import shlex
from pathlib import Path

import pytest

from harness import cli

PAGE = Path(__file__).resolve().parents[3] / "harness" / "expectations" / "FINDINGS.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and "`tcpspec " in line
]


def test_a_row_has_all_that_a_maintainer_asks_for() -> None:
    assert len(ROWS) >= 15
    for row in ROWS:
        stack, rule, found, ladder, where, command, reported = row
        assert re.search(r"\d", stack)
        assert rule.startswith("RFC ")
        assert found.startswith("`")
        assert "◀" in ladder or "()" in ladder, "a segment of the peer or a call brings it about"
        assert where
        assert command.startswith(("`tcpspec show ", "`tcpspec explore "))
        assert reported.strip(" |")


@pytest.mark.parametrize("row", ROWS, ids=[row[5].strip("`") for row in ROWS])
def test_a_finding_is_still_so(row: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _tcpspec, *arguments = shlex.split(row[5].strip("`"))
    if arguments[0] == "explore":
        arguments += ["--results", str(tmp_path)]
    code = cli.main(arguments)
    shown = capsys.readouterr()
    if code == 4 and "kernel" not in shown.err:
        pytest.skip(shown.err.strip())
    assert code == 1, shown.out + shown.err
    assert f"[{row[2].partition(':')[0].strip('`')}]" in shown.out
