"""Where the sources of a kernel come from: what suites list, which of it a name means, and what a mirror still has."""

import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.targets.building.drivers import driver_folder
from harness.targets.kernel import suites
from harness.targets.kernel.suites import Offer
from harness.targets.protocol import UnusableTarget

VERSIONS = (
    "6.12.118-1",
    "5.10.46-4",
    "6.1.192-1",
    "6.1.192-2",
    "6.12.95-1~bpo12+1",
    "7.3~rc7-1~exp1",
    "7.3.4-1",
    "5.4",
)


def test_packages_of_one_release_are_one_offer_and_a_candidate_comes_before_its_release() -> None:
    offers = suites.parsed(VERSIONS)
    assert [offer.release for offer in offers] == ["5.10.46", "6.1.192", "6.12.95", "6.12.118", "7.3-rc7", "7.3.4"]
    assert offers[1].versions == ("6.1.192-1", "6.1.192-2")
    assert [offers[at].packaged for at in (3, 4)] == ["linux-source-6.12", "linux-source-7.3"]


@pytest.mark.parametrize(
    ("name", "releases"),
    [
        ("6.12", ["6.12.118", "6.12.95"]),
        ("6.12.95", ["6.12.95"]),
        ("7.3-rc7", ["7.3-rc7"]),
        ("7.3~rc7", ["7.3-rc7"]),
        ("6.1", ["6.1.192"]),
        ("6.12.9", []),
    ],
)
def test_a_branch_means_its_newest_release_and_a_release_itself(name: str, releases: list[str]) -> None:
    assert [offer.release for offer in suites.chosen(name, suites.parsed(VERSIONS))] == releases


TARGETS = """\
Debian|http://mirror.example/debian|/usr/share/keyrings/debian.gpg
Debian|http://mirror.example/debian-security|/usr/share/keyrings/debian.gpg
Debian|http://mirror.example/debian|
Acme|http://acme.example/|
"""


def test_sources_and_packages_come_from_the_mirrors_of_debian_that_the_machine_uses() -> None:
    lines = list(suites.source_lines(TARGETS))
    signed = "[signed-by=/usr/share/keyrings/debian.gpg] http://mirror.example/debian"
    assert f"deb-src {signed} bookworm main" in lines
    assert f"deb-src {signed}-security trixie-security main" in lines
    assert not [line for line in lines if "acme" in line]
    assert len(lines) == len(set(lines)) == len(suites.BASE) + len(suites.SECURITY)
    packages = list(suites.source_lines(TARGETS, suites.PACKAGES))
    assert packages == [line.replace("deb-src ", "deb ") for line in lines]


class Mirror:
    """Stands for apt: it has lists, and serves the package of sources of one version."""

    def __init__(self, served: str) -> None:
        self.served, self.asked = served, list[str]()

    def __call__(
        self, command: list[str], _kind: str | None = suites.SOURCES, *, cwd: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        said = ""
        match command:
            case ["apt-cache", "showsrc", *_]:
                said = "".join(f"Version: {version}\n" for version in VERSIONS)
            case ["apt-get", "source", *_, wanted]:
                self.asked.append(wanted)
            case ["apt-get", "download", wanted]:
                self.asked.append(wanted)
                if wanted == self.served and cwd is not None:
                    (cwd / "package.deb").touch()
            case ["dpkg-deb", "--extract", package, folder]:
                inside = Path(folder) / "usr" / "src" / "linux-source-6.1.tar.xz"
                inside.parent.mkdir(parents=True)
                inside.write_text(f"the sources in {Path(package).name}")
        return subprocess.CompletedProcess(command, 0, said, "")


def mirror(served: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    made = Mirror(served)
    monkeypatch.setattr(suites, "apt_folder", lambda: folder)
    monkeypatch.setattr(suites, "_update", lambda *_kind: None)
    monkeypatch.setattr(suites, "_run", made)
    (folder / "sources.list").touch()
    return made


def test_what_a_mirror_has_no_more_of_upstream_comes_from_the_package_of_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = mirror("linux-source-6.1=6.1.192-2", tmp_path, monkeypatch)
    offer, archive = suites.fetch("6.1")
    assert (offer, archive.name) == (Offer("6.1.192", ("6.1.192-1", "6.1.192-2")), "linux-source_6.1.192.tar.xz")
    assert archive.read_text() == "the sources in package.deb"
    sources = ["linux=6.1.192-1", "linux=6.1.192-2"]
    assert made.asked == [*sources, "linux-source-6.1=6.1.192-1", "linux-source-6.1=6.1.192-2"]
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]
    assert suites.fetch("6.1.192") == (offer, archive)
    assert made.asked[4:] == sources, "what was fetched once is there"


def test_sources_that_no_mirror_has_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror("", tmp_path, monkeypatch)
    with pytest.raises(UnusableTarget, match=r"lists the sources of 6\.12\.118, but has them no more"):
        suites.fetch("6.12")
    with pytest.raises(UnusableTarget, match=r"no suite has .* 6\.13 \(there are: 6\.1\.192, 6\.12\.95, 6\.12\.118\)"):
        suites.fetch("6.13")


PAGE = Path(suites.__file__).parents[1] / "KERNELS.md"


def test_two_that_want_the_lists_at_once_fetch_them_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(suites.shutil, "which", lambda name: name)
    fetched: list[str] = []

    def apt(command: list[str], *_kind: str | None) -> "subprocess.CompletedProcess[str]":
        if command[1] == "update":
            fetched.append("begins")
            time.sleep(0.2)
            (suites.apt_folder() / "lists" / "mirror_Sources").touch()
            fetched.append("ends")
        return subprocess.CompletedProcess(command, 0, "Debian|http://mirror/debian/|\n", "")

    monkeypatch.setattr(suites, "_run", apt)
    with ThreadPoolExecutor() as both:
        for each in [both.submit(suites._update) for _ in range(2)]:
            each.result()
    assert fetched == ["begins", "ends"]


def test_each_defect_of_a_kernel_has_its_row_and_was_found_on_an_unknown_kernel_too() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| .*? \| (\d+) \| (\d+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    patches = {path.stem: path.read_text() for path in (driver_folder() / "kernel" / "defects").glob("*.patch")}
    assert {name for name, _known, _open in rows} == patches.keys()
    assert all(int(found) for _name, *counts in rows for found in counts)
    for text in patches.values():
        assert re.match(r"--- a/net/ipv4/tcp_\w+\.c\n\+\+\+ b/net/ipv4/tcp_\w+\.c\n@@ ", text)
        assert re.search(r"^[+-]\t", text, re.MULTILINE)
