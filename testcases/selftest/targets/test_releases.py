"""Older releases of a stack: their names, and what is said of those that can not be had."""

import subprocess
from pathlib import Path

import pytest

from harness.targets import registry
from harness.targets.building import crate, drivers, source_build
from harness.targets.kernel import suites
from harness.targets.protocol import UnusableTarget
from harness.verbs import USAGE_ERROR, build

SMOLTCP = drivers.driver_folder() / "smoltcp"


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
