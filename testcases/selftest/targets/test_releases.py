"""Older releases of a stack: their names, and the bugs that a later one mended, each shown by a case."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import cli
from harness.targets import registry
from harness.targets.adapter import check as adapter_check
from harness.targets.adapter.process import Command
from harness.targets.building import crate, drivers, source_build
from harness.targets.kernel import suites
from harness.targets.protocol import UnusableTarget
from harness.verbs import USAGE_ERROR, build

SMOLTCP = drivers.driver_folder() / "smoltcp"
ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "harness" / "expectations" / "smoltcp" / "RELEASES.md"
#: Before, after, code, case.
ROWS = re.findall(r"\| (\S+) \| (\S+) \| `([\w-]+)` \| `(\S+)` \|", PAGE.read_text(encoding="utf-8"))


def test_a_release_is_named_by_its_beginning() -> None:
    assert crate.release(SMOLTCP, "0.13").name == "0.13.1"
    assert crate.release(SMOLTCP, "0.13.0").name == "0.13.0"
    assert crate.release(SMOLTCP, "0.12").name == "0.12.0"
    assert crate.release(SMOLTCP, "0.8").name == "0.8.2"
    assert crate.release(SMOLTCP, "0.14") == SMOLTCP


@pytest.mark.parametrize("name", ["0.1", "0.13.", "0.99", "main", "../src"])
def test_a_release_that_there_is_not_is_one_sentence(name: str) -> None:
    with pytest.raises(UnusableTarget, match=r"does not come with the tool\n.*smoltcp:0\.13\.0, .*smoltcp:0\.14\.0"):
        crate.release(SMOLTCP, name)


@pytest.mark.parametrize("release", crate.releases(SMOLTCP))
def test_a_manifest_and_its_lock_name_the_release_that_the_folder_is_for(release: str) -> None:
    folder = crate.release(SMOLTCP, release)
    assert f'\nversion = "{release}"\n' in (folder / "Cargo.toml").read_text()
    assert f'\nversion = "={release}"\n' in (folder / "Cargo.toml").read_text()
    assert f'name = "smoltcp"\nversion = "{release}"' in (folder / "Cargo.lock").read_text()


def test_a_target_may_name_a_release() -> None:
    assert registry.parse("smoltcp:0.13").ident == "0.13"
    with pytest.raises(UnusableTarget, match="takes nothing behind a colon"):
        registry.parse("reference:1")


def test_lwip_of_a_newer_suite_is_named_too() -> None:
    assert source_build.recipe_of("lwip", "2.2").release == "2.2.1"
    with pytest.raises(UnusableTarget, match=r"lwip 2.3 does not come with the tool\n.*lwip:2\.2\.1"):
        source_build.recipe_of("lwip", "2.3")


def test_a_mirror_that_lacks_the_sources_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suites, "_update", lambda: None)
    monkeypatch.setattr(suites, "apt_folder", lambda: tmp_path)
    listed = subprocess.CompletedProcess([], 0, "Version: 2.2.10-1\nVersion: 2.1.3+dfsg1-2\n", "")
    monkeypatch.setattr(suites, "_run", lambda *_words, **_options: listed)
    with pytest.raises(UnusableTarget, match=r"lwip:2\.2\.1 can't be built: no suite has .* 2\.2\.10-1.*\n.*once"):
        source_build.build(source_build.recipe_of("lwip", "2.2.1"), drivers.driver_folder() / "lwip", tmp_path)


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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["smoltcp:0.13", "--image"], "an image has the usual release"),
        (["linux:6.1"], "there is no 'linux:6.1' to build"),
        (["smoltpc"], "there is no 'smoltpc' to build; there are "),
    ],
)
def test_what_can_not_be_built_is_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build.main(arguments) == USAGE_ERROR
    assert said in capsys.readouterr().err


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
