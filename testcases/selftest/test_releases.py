"""Older releases of a stack: their names, and the bugs that a later one mended, each shown by a case."""

import re
from pathlib import Path

import pytest

from harness import cli
from harness.targets import build, crate, registry
from harness.targets.protocol import UnusableTarget

SMOLTCP = build.driver_folder() / "smoltcp"
PAGE = Path(__file__).resolve().parents[2] / "harness" / "expectations" / "smoltcp" / "RELEASES.md"
#: Before, after, code, case.
ROWS = re.findall(r"\| (\S+) \| (\S+) \| `([\w-]+)` \| `(\S+)` \|", PAGE.read_text(encoding="utf-8"))


def test_a_release_is_named_by_its_beginning() -> None:
    assert crate.release(SMOLTCP, "0.13").name == "0.13.1"
    assert crate.release(SMOLTCP, "0.13.0").name == "0.13.0"
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
