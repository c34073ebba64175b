"""`tcpspec coverage --lines`: what gcov says becomes a table, and what is missing one sentence."""

import shutil
from pathlib import Path

import pytest

from harness.bench import lines

FILE = {
    "lines": [
        {"count": 3, "branches": [{"count": 3}, {"count": 0}]},
        {"count": 0, "branches": []},
        {"count": 1, "branches": [{"count": 1}, {"count": 0}]},
    ],
    "functions": [{"name": "tcp_used", "execution_count": 3}, {"name": "tcp_idle", "execution_count": 0}],
}


def test_lines_branches_and_functions_are_counted() -> None:
    covered = lines.read("tcp.c", FILE)
    assert (covered.lines, covered.branches, covered.unreached) == ((2, 3), (2, 4), ("tcp_idle",))
    text = lines.table([covered])
    assert "2 of 3, 66 %" in text
    assert "2 of 4, 50 %" in text
    assert text.endswith("tcp.c, never entered: tcp_idle")


def test_nothing_to_compile_with_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert lines.main(["--keep", str(tmp_path)], lambda _options: 0) == lines.USAGE_ERROR
    assert "apt-get install gcc liblwip-dev" in capsys.readouterr().err


def test_without_a_count_there_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(lines.Unmeasurable, match="nothing was counted"):
        lines.measure(tmp_path, "tcp")
