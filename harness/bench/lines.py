"""``tcpspec coverage --lines``: which lines of lwIP's TCP the whole suite executes, as a second opinion.

The sources are those of Debian's package, of the version that is installed as a library; they are fetched with an apt
folder of our own, so that nothing of the system is changed. Only the three files of its TCP are compiled, with
``gcc --coverage``; the rest stays the library's, whose calls then reach these. The counts are written when an adapter
ends in good order.
"""

import argparse
import gzip
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.targets.building.drivers import driver_folder

FILES = ("tcp_in", "tcp", "tcp_out")
INCLUDE = Path("/usr/include/lwip")
USAGE_ERROR = 4
#: Of what runs: everything that one stack can be asked.
SUITE = ("--grid", "full", "--timers", "5000")


class Unmeasurable(Exception):
    """Something is missing; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Covered:
    """What was executed of one file: lines and branches with how many there are, and functions never entered."""

    file: str
    lines: tuple[int, int]
    branches: tuple[int, int]
    unreached: tuple[str, ...]


def main(arguments: Sequence[str], run: Callable[[list[str]], int]) -> int:
    """Build, `run` the suite (its options are the argument), print the table; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="tcpspec coverage --lines",
        description="Builds lwIP with --coverage, runs the suite on it, and prints what was executed.",
        epilog="What follows goes to `tcpspec run`; without it the whole suite is run.",
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="build there, and leave the counts for gcov")
    try:
        options, rest = parser.parse_known_args(arguments)
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    folder = options.keep or Path(tempfile.mkdtemp(prefix="tcpspec-lines-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        adapter = build(folder.resolve())
        code = run(["--target", f"exec:{shlex.quote(str(adapter))}", *(rest or SUITE)])
        print("\n" + table([measure(folder.resolve(), name) for name in FILES]))
    except (Unmeasurable, OSError) as error:
        print(f"tcpspec coverage --lines: {error}", file=sys.stderr)
        return USAGE_ERROR
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    return code


def build(folder: Path) -> Path:
    """Return lwIP's adapter, built in `folder` so that it counts; raises Unmeasurable."""
    missing = [name for name in ("gcc", "gcov", "apt-get", "tar") if shutil.which(name) is None]
    if missing or not INCLUDE.is_dir():
        raise Unmeasurable("it takes lwIP and a compiler: apt-get install gcc liblwip-dev")
    core = fetch(folder) / "src" / "core"
    flags = ["-std=gnu11", "-w", f"-I{INCLUDE}"]
    for name in FILES:
        _call(["gcc", "-O0", "--coverage", *flags, "-c", str(core / f"{name}.c"), "-o", f"{name}.o"], folder)
    driver = str(driver_folder() / "lwip" / "driver.c")
    objects = [f"{name}.o" for name in FILES]
    _call(["gcc", "-O1", "-rdynamic", *flags, driver, *objects, "--coverage", "-llwip", "-o", "lwip-counting"], folder)
    return folder / "lwip-counting"


def fetch(folder: Path) -> Path:
    """Return the unpacked sources of the installed lwIP; raises Unmeasurable."""
    found = list(folder.glob("lwip-*/src"))
    if not found:
        for name in ("lists/partial", "cache"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "sources.list").write_text(f"deb-src {_mirror()} {_codename()} main\n")
        (folder / "status").touch()
        own = {"Dir::Etc::sourcelist": "sources.list", "Dir::Etc::sourceparts": "none", "Dir::State::lists": "lists"}
        own |= {"Dir::Cache": "cache", "Dir::State::status": "status"}
        apt = ["apt-get", "-q", *(word for key, name in own.items() for word in ("-o", f"{key}={folder / name}"))]
        _call([*apt, "update"], folder)
        _call([*apt, "source", "--download-only", "lwip"], folder)
        (archive,) = folder.glob("lwip_*.orig.tar.*")
        _call(["tar", "--extract", "--file", archive.name], folder)
        found = list(folder.glob("lwip-*/src"))
    return found[0].parent


def measure(folder: Path, name: str) -> Covered:
    """Read the counts of one file; raises Unmeasurable."""
    if not (folder / f"{name}.gcda").is_file():
        raise Unmeasurable("no adapter has ended in good order, so that nothing was counted")
    _call(["gcov", "--json-format", "--branch-probabilities", f"{name}.o"], folder)
    report = json.loads(gzip.decompress((folder / f"{name}.gcov.json.gz").read_bytes()))
    (file,) = (file for file in report["files"] if file["file"].endswith(f"/{name}.c"))
    return read(f"{name}.c", file)


def read(name: str, file: dict[str, Any]) -> Covered:
    """Return what gcov says of a file."""
    lines = [line["count"] > 0 for line in file["lines"]]
    branches = [branch["count"] > 0 for line in file["lines"] for branch in line["branches"]]
    unreached = [function["name"] for function in file["functions"] if not function["execution_count"]]
    return Covered(name, (sum(lines), len(lines)), (sum(branches), len(branches)), tuple(sorted(unreached)))


def table(covered: Sequence[Covered]) -> str:
    """Return the figures as text."""
    rows = [f"{'file':10} {'lines':>16} {'branches taken':>18}"]
    for each in covered:
        rows.append(f"{each.file:10} {_share(each.lines):>16} {_share(each.branches):>18}")
    for each in covered:
        rows += [f"{each.file}, never entered: {', '.join(each.unreached)}"] if each.unreached else []
    return "\n".join(rows)


def _share(counts: tuple[int, int]) -> str:
    done, whole = counts
    return f"{done} of {whole}, {100 * done // max(1, whole)} %"


def _codename() -> str:
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    names = [line.partition("=")[2].strip('"') for line in lines if line.startswith("VERSION_CODENAME=")]
    return names[0] if names else "stable"


def _mirror() -> str:
    """Return the archive that the machine's own apt uses for its release; raises Unmeasurable."""
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", f"Codename: {_codename()}", "Created-By: Packages"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()
    if not found:
        raise Unmeasurable("apt knows no archive of this release: run apt-get update")
    return found[0]


def _call(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Unmeasurable(f"{' '.join(command[:2])} fails: {''.join(last)}")
