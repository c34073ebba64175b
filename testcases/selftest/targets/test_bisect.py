"""`git bisect run` as the page of kernels prints it, from end to end, on a small repository of kernels."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.targets.kernel.compiling import TOOLS
from testcases.selftest.targets.test_kernel import simulated_kernel

ROOT = Path(__file__).resolve().parents[3]
CASE = "passive-open/default-mss"
MAKEFILE = """\
tinyconfig: ; touch $(O)/.config
olddefconfig: ; true
linux:
\tmkdir -p $(O)/include/config
\techo 6.12.43 >$(O)/include/config/kernel.release
\tcp linux.sh $(O)/linux
\tchmod +x $(O)/linux
"""
#: A kernel with a setting of its own: what stands behind the # is looked for in programs, which are never started
#: unless they have it, and which hide the CPU's newest registers from such a release.
KERNEL = "#!/bin/sh\n# uml_dir= time-travel=ext Linux version 6.12.43\n{}\n"
GOOD, BAD = 'exec {kernel} "$@"', 'exec {kernel} "$@" sysctl.net.ipv4.tcp_min_snd_mss=1000'
#: What each commit brings. The search begins in the middle, with what does not build, and comes to what does not boot.
COMMITS = (GOOD, GOOD, GOOD, GOOD, "does not build", GOOD, BAD, "exit 3", BAD, BAD)
CULPRIT = COMMITS.index(BAD)


def git(tree: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", *identity, *arguments], cwd=tree, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a repository with the commits."""
    if missing := [program for program in ("git", *TOOLS) if shutil.which(program) is None]:
        pytest.skip(f"bisecting needs {', '.join(missing)}")
    kernel = simulated_kernel()
    tree = tmp_path / "linux"
    (tree / "arch" / "um").mkdir(parents=True)
    (tree / "arch" / "um" / "Makefile").touch()
    git(tree, "init", "--quiet", "--initial-branch=main")
    for number, what in enumerate(COMMITS):
        builds = what != "does not build"
        (tree / "Makefile").write_text(MAKEFILE if builds else MAKEFILE.replace("cp linux.sh", "false"))
        (tree / "linux.sh").write_text(KERNEL.format(what.format(kernel=kernel)) + f"# {number}\n")
        git(tree, "add", ".")
        git(tree, "commit", "--quiet", "--message", f"commit {number}")
    return tree


def test_the_printed_bisection_skips_what_does_not_build_or_boot_and_names_the_culprit(
    tree: Path, tmp_path: Path
) -> None:
    text = re.search(
        r"git bisect run sh -c '(.*?)'\n\n", (ROOT / "harness" / "targets" / "KERNELS.md").read_text(), re.DOTALL
    )
    assert text is not None
    script = text[1].replace("passive-close/*", CASE).replace("/tmp/", f"{tmp_path}/")
    folder = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def sh(command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-c", command], cwd=tree, env=environment, capture_output=True, text=True, timeout=280, check=False
        )

    first, last = (git(tree, "rev-list", "--max-parents=0", "HEAD"), git(tree, "rev-parse", "HEAD"))
    git(tree, "checkout", "--quiet", first)
    made = sh(
        f'tcpspec run --target "kernel:$(tcpspec build kernel --source .)" --case "{CASE}" --results {tmp_path}/good'
    )
    assert (tmp_path / "good" / "results.jsonl").is_file(), made.stdout + made.stderr
    git(tree, "bisect", "start", last, first)
    done = subprocess.run(
        ["git", "bisect", "run", "sh", "-c", script],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    log = git(tree, "bisect", "log")
    assert "first bad commit" in done.stdout, done.stdout + done.stderr
    assert f"# first bad commit: [{git(tree, 'rev-parse', f'{last}~{len(COMMITS) - 1 - CULPRIT}')}]" in log, log
    skipped = {line.rpartition("commit ")[2] for line in log.splitlines() if line.startswith("# skip:")}
    assert skipped == {str(number) for number, what in enumerate(COMMITS) if what not in (GOOD, BAD)}, log
