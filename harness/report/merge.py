"""``tcpspec merge``: the results of the shards of a run become those of the whole run; holes and doubles are errors."""

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.report import failures, kinds
from harness.report.matrix import Matrix
from harness.report.runs import Case
from harness.trace.results import BrokenResults, Results, ResultsWriter, read

USAGE_ERROR = 4
#: The reason under which a shard counts the cases of the others.
OTHER_SHARD = "in another shard (--shard)"
#: And a run that judges what another one has lost, those of that one.
JUDGED = "judged in the results before (--without)"


class Unmergeable(ValueError):
    """Results that are no shards of one run, or not all of them; the message says which."""


def main(arguments: Sequence[str]) -> int:
    """Merge, print what `tcpspec run` would have printed, and return its exit code; 4 for what can't be merged."""
    parser = argparse.ArgumentParser(
        prog="tcpspec merge",
        description="Puts the results of all shards of a run together, and prints what the whole run would have.",
        epilog="example: tcpspec run --shard 3/8 --results shard-3, on eight machines; "
        "then tcpspec merge shard-* -o results",
    )
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULTS", help="results.jsonl files, or folders")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="the folder of the whole run")
    try:
        options = parser.parse_args(arguments)
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    try:
        shards = [read(path) for path in options.results]
        check(shards)
        ordered = sorted(shards, key=_shard)
        command = ["tcpspec", "merge", *(str(shard.path) for shard in ordered)]
        unexpected = write(ordered, options.output, command=command)
    except (BrokenResults, Unmergeable) as error:
        print(f"tcpspec merge: {error}", file=sys.stderr)
        return USAGE_ERROR
    except OSError as error:
        print(f"tcpspec merge: {error.filename}: {error.strerror}", file=sys.stderr)
        return USAGE_ERROR
    return 1 if unexpected else 0


def check(shards: Sequence[Results]) -> None:
    """Raise Unmergeable unless these are all shards of one run, each once, whole, and with all of its cases."""
    numbers: dict[int, Path] = {}
    for shard in shards:
        if shard.footer is None:
            raise Unmergeable(f"{shard.path}: an incomplete run (it has no footer)")
        number, of = _shard(shard)
        if of != _shard(shards[0])[1]:
            raise Unmergeable(
                f"{shard.path}: one of {of} shards, but {shards[0].path} is one of {_shard(shards[0])[1]}"
            )
        if number in numbers:
            raise Unmergeable(f"{shard.path}: shard {number} of {of}, as {numbers[number]} is")
        numbers[number] = shard.path
    of = _shard(shards[0])[1]
    if missing := sorted({*range(1, of + 1)} - set(numbers)):
        raise Unmergeable(f"shard{'s' if len(missing) > 1 else ''} {', '.join(map(str, missing))} of {of} missing")
    _check_counts(shards)
    _check_doubles(shards)


def _shard(results: Results) -> tuple[int, int]:
    number, slash, of = str(results.header.get("shard", "")).partition("/")
    if not slash or not number.isdigit() or not of.isdigit():
        raise Unmergeable(f"{results.path}: not a run with --shard")
    return int(number), int(of)


def _footer(results: Results) -> Mapping[str, Any]:
    return results.footer or {}


def _check_counts(shards: Sequence[Results]) -> None:
    """Each shard knows how many cases the others have."""
    wholes = {shard.path: _whole(shard) for shard in shards}
    (first, whole), *rest = wholes.items()
    for path, count in rest:
        if count != whole:
            raise Unmergeable(f"{path}: a part of {count} cases, but {first} is a part of {whole}: other options?")
    seen = sum(_footer(shard)["collected"] for shard in shards)
    if seen != whole:
        raise Unmergeable(f"the shards have {seen} of {whole} cases")


def _whole(shard: Results) -> int:
    footer = _footer(shard)
    return int(footer["collected"]) + int(footer.get("left_out", {}).get(OTHER_SHARD, 0))


def _check_doubles(shards: Sequence[Results]) -> None:
    seen: dict[tuple[str, str, int], Path] = {}
    for shard in shards:
        for record in shard.cases:
            key = (record["id"], record["target"], record["ip"])
            if key in seen:
                raise Unmergeable(f"{shard.path}: {key[0]} on {key[1]} IPv{key[2]} stands in {seen[key]} too")
            seen[key] = shard.path


def write(parts: Sequence[Results], folder: Path, *, command: list[str], shard: str | None = None) -> int:
    """Write the whole run and print it; return how many cases are not as expected."""
    level = str(parts[0].header["level"])
    writer = ResultsWriter(folder, command=command, level=level, shard=shard or "", keep_captures=True)
    matrix, unexpected = Matrix(), []
    for part in parts:
        for facts in part.targets:
            if facts["name"] not in matrix.facts:
                plain = {name: value for name, value in facts.items() if name != "kind"}
                matrix.facts[facts["name"]] = plain
                writer.target(plain)
        for case_line in part.cases:
            record = {name: value for name, value in case_line.items() if name != "kind"}
            _copy_capture(Case(record, part.path.parent), folder)
            writer.case(record)
            matrix.add(record)
            case = Case(record, folder)
            if not case.as_expected(level):
                unexpected.append(case)
    footers = [part.footer for part in parts if part.footer]
    passing = {JUDGED} if shard else {JUDGED, OTHER_SHARD}
    left_out = {reason: count for reason, count in footers[0].get("left_out", {}).items() if reason not in passing}
    collected = sum(part.footer["collected"] if part.footer else len(part.cases) for part in parts)
    seconds = max(footer["seconds"] for footer in footers)
    writer.finish(collected=collected, interrupted=False, seconds=seconds, left_out=left_out)
    print(matrix.render(width=failures.WIDE, detailed=False), end="")
    for line in failures.listing(kinds.grouped(unexpected)):
        print(line)
    print(f"results: {writer.path}")
    return len(unexpected)


def _copy_capture(case: Case, folder: Path) -> None:
    target = folder / str(case.record.get("pcap", ""))
    if case.pcap is not None and case.pcap.exists() and case.pcap.resolve() != target.resolve():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(case.pcap, target)
