"""``tcpspec bench stability``: are the verdicts of many runs the same, alone, with many workers, beside busy loops?"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from harness.trace import results

WORKERS = 8
BUSY_LOOPS = 4
#: What is compared: the verdict of each case with its findings.
Verdicts = dict[tuple[str, str, int], str]

MODES = ("alone", "workers", "load")


def main(arguments: list[str]) -> int:
    """Run the cases again and again; print each difference to the first run. Exit code 1 if there is any."""
    parser = argparse.ArgumentParser(prog="tcpspec bench stability", description=__doc__, add_help=True)
    parser.add_argument("--runs", type=int, default=20, help="runs in each mode (default: 20)")
    parser.add_argument("--mode", choices=MODES, action="append", help="only this mode (repeatable)")
    parser.add_argument("rest", nargs="*", metavar="-- OPTION", help="options of `tcpspec run`")
    try:
        options = parser.parse_args(arguments)
    except SystemExit as leave:
        return 4 if leave.code else 0
    if options.runs < 1:
        print("tcpspec bench stability: --runs is 1 or more", file=sys.stderr)
        return 4
    reference: Verdicts | None = None
    differences = 0
    for mode in options.mode or MODES:
        seconds = []
        for number in range(options.runs):
            verdicts, took, output = _one_run(mode, options.rest)
            seconds.append(took)
            if not verdicts:
                print(f"{mode}, run {number + 1}: no results:\n{output}")
                return 1
            reference = reference or verdicts
            differences += _print_differences(f"{mode}, run {number + 1}", reference, verdicts)
        spread = f"{min(seconds):.1f} to {max(seconds):.1f} s"
        print(f"{mode:<8} {options.runs} runs, {len(reference or ())} verdicts each, {spread}", flush=True)
    print(f"{differences} differences" if differences else "all verdicts are the same")
    return 1 if differences else 0


def _one_run(mode: str, options: list[str]) -> tuple[Verdicts, float, str]:
    with tempfile.TemporaryDirectory() as folder, _load(BUSY_LOOPS if mode == "load" else 0):
        workers = ["-n", str(WORKERS)] if mode == "workers" else []
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "harness", "run", f"--results={folder}", *workers, *options],
            capture_output=True,
            text=True,
            check=False,
        )
        took = time.perf_counter() - started
        try:
            run = results.read(Path(folder))
        except results.BrokenResults as error:
            return {}, took, f"{error}\n{done.stdout}{done.stderr}"
    if not run.complete:
        return {}, took, f"the run is incomplete\n{done.stdout}{done.stderr}"
    return {(case["id"], case["target"], case["ip"]): _signature(case) for case in run.cases}, took, done.stdout


def _signature(case: dict[str, object]) -> str:
    findings = case.get("findings", [])
    assert isinstance(findings, list)
    return " ".join([str(case["verdict"]), *(f"{finding['code']}: {finding['observed']}" for finding in findings)])


def _print_differences(title: str, reference: Verdicts, verdicts: Verdicts) -> int:
    keys = [key for key in reference.keys() | verdicts.keys() if reference.get(key) != verdicts.get(key)]
    for case_id, target, ip in sorted(keys):
        before, now = reference.get((case_id, target, ip)), verdicts.get((case_id, target, ip))
        print(f"{title}: {case_id} on {target} IPv{ip}: {before or 'absent'} -> {now or 'absent'}")
    return len(keys)


@contextlib.contextmanager
def _load(loops: int) -> Iterator[None]:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()
