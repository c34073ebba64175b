"""Sources from Debian's suites, of other suites than the machine's own too, through a private apt directory.

apt is told to keep its lists and files in the cache, to know no package as installed, and to read a list of sources
that is made here: the machine's own mirror, with the suites below. It changes nothing in the system and needs no root.
What it fetches is upstream's archive in the source package ``linux``, signed by Debian; Debian's patches stay away.
Where a mirror has that no more, it is the package ``linux-source-…`` of the same version, which has Debian's patches.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.cache import folder as cache_folder
from harness.cache import locked
from harness.targets.protocol import UnusableTarget

#: Suites by their code names, which a mirror serves at the longest; what it does not have is passed over.
RELEASES = ("bullseye", "bookworm", "trixie", "forky", "duke")
BASE = (*(f"{name}{suffix}" for name in RELEASES for suffix in ("", "-updates", "-backports")), "sid", "experimental")
SECURITY = tuple(f"{name}-security" for name in RELEASES)
PACKAGE = "linux"
#: What a suite lists: sources and packages, by the words of a sources.list and the names of the lists.
SOURCES, PACKAGES = "sources", "packages"
TYPE = {SOURCES: "deb-src", PACKAGES: "deb"}
INDEX = {SOURCES: "Sources", PACKAGES: "Packages"}
#: Debian names a mirror of security updates by this in its path.
_SECURITY_PATH = "debian-security"
FRESH_S = 24 * 3600.0
FETCH_LIMIT_S = 600
_VERSION = re.compile(r"(?:\d+:)?(?P<upstream>\d+\.\d+(?:\.\d+)?(?:~rc\d+)?)-\S+")
_FORMAT = "$(ORIGIN)|$(REPO_URI)|$(SIGNED_BY)"
HINT = "give an unpacked tree: `tcpspec build kernel --source DIR`"


@dataclass(frozen=True, slots=True)
class Offer:
    """A release whose sources suites list: `release` is upstream's (6.12.43, 7.3-rc7), `versions` are the packages'."""

    release: str
    versions: tuple[str, ...]

    @property
    def key(self) -> tuple[int, ...]:
        """The release as numbers, to be sorted by; a candidate comes before what it is a candidate of."""
        numbers, _dash, candidate = self.release.partition("-rc")
        return (*(int(part) for part in numbers.split(".")), *((-1, int(candidate)) if candidate else ()))

    @property
    def packaged(self) -> str:
        """The name of the package that has the sources with Debian's patches."""
        return f"linux-source-{'.'.join(str(part) for part in self.key[:2])}"


def apt_folder() -> Path:
    """Return the private apt directory."""
    return cache_folder() / "apt"


def offers(*, refresh: bool = True) -> list[Offer]:
    """Return what the suites list, the newest last; a mirror may have given up some of it.

    Without `refresh` nothing is fetched: what an earlier look found. Raises UnusableTarget.
    """
    if refresh:
        _update()
    if not (apt_folder() / "sources.list").is_file():
        return []
    done = _run(["apt-cache", "showsrc", "--only-source", PACKAGE])
    versions = [line.partition(" ")[2] for line in done.stdout.splitlines() if line.startswith("Version: ")]
    return parsed(versions)


def parsed(versions: Iterable[str]) -> list[Offer]:
    """Return package versions as offers, one per release with all its packagings, the newest release last."""
    found: dict[str, list[str]] = {}
    for version in dict.fromkeys(versions):
        if match := _VERSION.fullmatch(version):
            found.setdefault(match["upstream"].replace("~", "-"), []).append(version)
    return sorted((Offer(release, tuple(each)) for release, each in found.items()), key=lambda offer: offer.key)


def chosen(name: str, available: Iterable[Offer]) -> list[Offer]:
    """Return what a name such as 6.12.43, 6.12 or 7.3-rc7 may mean, the best first: the newest of a branch."""
    wanted = name.replace("~", "-")
    found = [offer for offer in available if offer.release == wanted or offer.release.startswith(f"{wanted}.")]
    return found[::-1]


def fetch(name: str) -> tuple[Offer, Path]:
    """Return the archive with the sources of a release, or of the newest of a branch that there is.

    Raises UnusableTarget with what there is instead.
    """
    available = offers()
    candidates = chosen(name, available)
    for offer in candidates:
        upstream = offer.release.replace("-rc", "~rc")
        archive = apt_folder() / "sources" / f"{PACKAGE}_{upstream}.orig.tar.xz"
        if archive.is_file() or _download(offer, archive):
            return offer, archive
        patched = apt_folder() / "sources" / f"{PACKAGE}-source_{upstream}.tar.xz"
        if patched.is_file() or _download_packaged(offer, patched):
            return offer, patched
    if candidates:
        raise UnusableTarget(f"the mirror lists the sources of {candidates[0].release}, but has them no more", HINT)
    near = [offer.release for offer in available if offer.release.split(".")[:1] == name.split(".")[:1]]
    known = ", ".join(near or [offer.release for offer in available]) or "none"
    raise UnusableTarget(f"no suite has the sources of a kernel {name} (there are: {known})", HINT)


def source_archive(package: str, release: str) -> Path:
    """Return upstream's archive of a release, as the source package of any suite has it; raises UnusableTarget.

    `release` is upstream's number: what Debian appends to it (2.2.1+dfsg1) is not part of it.
    """
    _update()
    done = _run(["apt-cache", "showsrc", "--only-source", package])
    versions = [line.partition(" ")[2] for line in done.stdout.splitlines() if line.startswith("Version: ")]
    folder = apt_folder() / "sources"
    folder.mkdir(parents=True, exist_ok=True)
    for version in versions:
        upstream = version.rpartition("-")[0]
        archive = folder / f"{package}_{upstream}.orig.tar.xz"
        if re.split("[+~-]", upstream)[0] != release:
            continue
        if not archive.is_file():
            wanted = f"{package}={version}"
            _run(["apt-get", "source", "--tar-only", "--download-only", "--only-source", wanted], cwd=folder)
        if archive.is_file():
            return archive
    raise UnusableTarget(
        f"no suite has the sources of {package} {release} (there are: {', '.join(versions) or 'none'})"
    )


def _download(offer: Offer, archive: Path) -> bool:
    """Fetch upstream's archive; False where the mirror has it no more. apt checks it against the signed list."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    for version in offer.versions:
        source = f"{PACKAGE}={version}"
        _run(["apt-get", "source", "--tar-only", "--download-only", "--only-source", source], cwd=archive.parent)
        if archive.is_file():
            return True
    return False


def _download_packaged(offer: Offer, archive: Path) -> bool:
    """Fetch the package of the release's sources and take the archive out; False where the mirror has none."""
    _update(PACKAGES)
    for version in offer.versions:
        with tempfile.TemporaryDirectory(dir=archive.parent) as name:
            _run(["apt-get", "download", f"{offer.packaged}={version}"], PACKAGES, cwd=Path(name))
            if not (package := next(Path(name).glob("*.deb"), None)):
                continue
            _run(["dpkg-deb", "--extract", str(package), name], None)
            if inside := next(Path(name).glob("usr/src/linux-source-*.tar.*"), None):
                os.replace(inside, archive)
                return True
    return False


def _update(kind: str = SOURCES) -> None:
    """Fetch the lists of sources, or of packages, if the last ones are old. Raises UnusableTarget.

    apt refuses a second one in the same folder at the same time.
    """
    try:
        lock = locked("apt")
    except OSError as error:
        raise UnusableTarget(f"{cache_folder()} can't be written: {error.strerror}", "set XDG_CACHE_HOME") from None
    with lock:
        _update_alone(kind)


def _update_alone(kind: str) -> None:
    here = _lists(kind)
    stamp = here / "updated"
    if stamp.is_file() and time.time() - stamp.stat().st_mtime < FRESH_S:
        return
    if shutil.which("apt-get") is None:
        raise UnusableTarget("there is no apt-get here, which fetches sources", HINT)
    told = _run(["apt-get", "indextargets", "--format", _FORMAT], None).stdout
    lines = list(source_lines(told, kind))
    if not lines:
        raise UnusableTarget("apt on this machine knows no mirror of Debian, from which sources come", HINT)
    (here / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (here / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    (here / "status").touch()
    (here / "sources.list").write_text("".join(f"{line}\n" for line in lines))
    done = _run(["apt-get", "update"], kind)  # a suite that the mirror lacks makes it fail; what there is has come
    if not list((here / "lists").glob(f"*_{INDEX[kind]}*")):
        raise UnusableTarget(f"the lists of {kind} can't be fetched:\n{done.stderr.strip()[-1000:]}", HINT)
    stamp.touch()


def _lists(kind: str) -> Path:
    """Return the folder of the lists of sources, or of packages, which are much longer and rarely needed."""
    return apt_folder() if kind == SOURCES else apt_folder() / kind


def source_lines(targets: str, kind: str = SOURCES) -> Iterator[str]:
    """Yield the lines of a list of sources (or packages), for the mirrors of Debian that the machine's own apt uses.

    `targets` is what ``apt-get indextargets`` says: origin, address and key ring of each index.
    """
    seen = set()
    for line in targets.splitlines():
        origin, address, keys = line.split("|")
        if origin != "Debian" or address in seen:
            continue
        seen.add(address)
        options = f" [signed-by={keys}]" if keys.startswith("/") else ""
        for suite in SECURITY if _SECURITY_PATH in address else BASE:
            yield f"{TYPE[kind]}{options} {address} {suite} main"


def _run(
    command: list[str], kind: str | None = SOURCES, *, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program of apt, with the private directory and its lists instead of the system's (None: with those)."""
    here = _lists(kind or SOURCES)
    options = {
        "Dir::Etc::sourcelist": here / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": here / "lists",
        "Dir::State::status": here / "status",
        "Dir::Cache": here,
        "Acquire::Languages": "none",
        "Acquire::Retries": 3,
        "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
    }
    chosen_options = [word for name, value in options.items() for word in ("-o", f"{name}={value}")] if kind else []
    program, *arguments = command
    try:
        return subprocess.run(
            [program, *chosen_options, *arguments],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=FETCH_LIMIT_S,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise UnusableTarget(f"there is no {program} here, which fetches sources", HINT) from None
    except subprocess.TimeoutExpired:
        raise UnusableTarget(f"{program} did not end within {FETCH_LIMIT_S} s", HINT) from None
