#!/usr/bin/env python3
"""A root file system from Debian packages, as a tar stream: an image where no registry is reachable.

    python3 docker/base/rootfs.py python3 iproute2 | docker import - my-base

The packages come from the sources of this machine's apt, with what they depend on. They are only unpacked: no script of
theirs runs, nothing is installed here, and no privileges are needed. Dash is always there: a Dockerfile's RUN needs it.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

ALWAYS = ("dash",)
#: What packages depend on to be installed, not to run.
NOT_NEEDED = ("debconf", "dpkg", "tar", "debianutils")
#: Old packages still own /lib and /bin; in the image those are links, as on every merged Debian.
MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
#: Parts of paths: what nobody reads in a container, a third of the size.
LEFT_OUT = (
    "/share/doc/",
    "/share/man/",
    "/share/locale/",
    "/share/lintian/",
    "/share/bash-completion/",
    "/gconv/",
    "/pydoc_data/",
    "/ensurepip/",
)
FILES = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
}
LIMIT_S = 300


class Failure(Exception):
    """One sentence on what is wrong here."""


def main(packages: list[str]) -> int:
    """Write the tar stream to standard output."""
    if not packages or sys.stdout.isatty():
        print(__doc__, file=sys.stderr)
        return 4
    try:
        with tempfile.TemporaryDirectory(prefix="tcpspec-rootfs-") as folder:
            archives = download(packages, Path(folder))
            with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.GNU_FORMAT) as image:
                write(image, archives)
            sys.stdout.flush()
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or 'the image'}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def download(packages: list[str], folder: Path) -> list[Path]:
    """Return the package files of `packages` and all that they need to run."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise Failure("there is no apt-get here: this is not Debian or a relative of it")
    status = folder / "status"
    status.write_text("".join(f"Package: {name}\n{_INSTALLED}\n" for name in NOT_NEEDED))
    (folder / "cache/archives/partial").mkdir(parents=True)
    (folder / "lists/partial").mkdir(parents=True)
    options = {
        "Dir::State::status": status,
        "Dir::Cache": folder / "cache",
        "Debug::NoLocking": "1",
        "APT::Install-Recommends": "0",
        "APT::Sandbox::User": "",
    }
    install = ["install", "--download-only", "--yes", *ALWAYS, *packages]
    done = _apt(options, install)
    if done.returncode:  # the lists are missing or old; those of this machine are left as they are
        options["Dir::State::lists"] = folder / "lists"
        _apt(options, ["update"])
        done = _apt(options, install)
    if done.returncode:
        raise Failure(f"apt-get can't fetch {', '.join(packages)}: {_last_words(done.stderr)}")
    return sorted((folder / "cache/archives").glob("*.deb"))


_INSTALLED = "Status: install ok installed\nArchitecture: all\nMulti-Arch: foreign\nVersion: 99:1\nDescription: -\n"


def _apt(options: dict[str, object], arguments: list[str]) -> subprocess.CompletedProcess[str]:
    pairs = [f"-o{key}={value}" for key, value in options.items()]
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "--quiet", *pairs, *arguments]
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"apt-get did not end within {LIMIT_S} s") from None


def _last_words(text: str) -> str:
    lines = [line.removeprefix("E: ") for line in text.splitlines() if line.startswith("E: ")]
    return lines[-1] if lines else text.strip()[-200:]


def write(image: tarfile.TarFile, archives: list[Path]) -> None:
    """Write the links and folders that every root has, then the packages' files, each path once."""
    written: set[str] = set()
    for name in MERGED:
        _add(image, written, _entry(name, tarfile.SYMTYPE, 0o777, link=f"usr/{name}"))
    for name, mode in (
        ("tmp", 0o1777),
        ("proc", 0o555),
        ("sys", 0o555),
        ("dev", 0o755),
        ("etc", 0o755),
        ("usr", 0o755),
    ):
        _add(image, written, _entry(name, tarfile.DIRTYPE, mode))
    for name in MERGED:
        _add(image, written, _entry(f"usr/{name}", tarfile.DIRTYPE, 0o755))
    for name, octets in FILES.items():
        _add(image, written, _entry(name, tarfile.REGTYPE, 0o644, size=len(octets)), io.BytesIO(octets))
    for archive in archives:
        for entry, content in _contents(archive):
            _add(image, written, entry, content)


def _contents(archive: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Yield a package's files as they shall lie in the image."""
    command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as unpacker,
        tarfile.open(fileobj=unpacker.stdout, mode="r|") as package,
    ):
        for entry in package:
            entry.name = _merged(entry.name)
            if entry.islnk():
                entry.linkname = _merged(entry.linkname)
            if entry.name and not any(part in entry.name for part in LEFT_OUT):
                yield entry, package.extractfile(entry) if entry.isreg() else None
    if unpacker.returncode:
        raise Failure(f"{archive.name} can't be unpacked")


def _merged(path: str) -> str:
    """Return a package's path without its leading dot, below /usr where the top folder is a link in the image."""
    clean = path.removeprefix(".").strip("/")
    return f"usr/{clean}" if clean.split("/")[0] in MERGED else clean


def _entry(name: str, kind: bytes, mode: int, *, link: str = "", size: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname, entry.size = kind, mode, link, size
    return entry


def _add(image: tarfile.TarFile, written: set[str], entry: tarfile.TarInfo, content: IO[bytes] | None = None) -> None:
    if entry.name not in written:
        written.add(entry.name)
        image.addfile(entry, content)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
