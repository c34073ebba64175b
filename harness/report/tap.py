"""A run as TAP 14, and as KTAP, kselftest's dialect of it, which kernel CI, LAVA and openQA read.

https://testanything.org/tap-version-14-specification.html, https://docs.kernel.org/dev-tools/ktap.html
"""

import json
from collections.abc import Iterator, Sequence

from harness.report.runs import Case

#: What a result says behind the number: not run, and failing as is declared.
_SKIP, _TODO, _XFAIL = "SKIP", "TODO", "XFAIL"


def tap(cases: Sequence[Case], level: str) -> Iterator[str]:
    """Yield the lines of TAP 14: one test point per case, a block of YAML where it is not as expected."""
    yield "TAP version 14"
    yield f"1..{len(cases)}" if cases else "1..0 # SKIP nothing ran"
    for number, case in enumerate(cases, 1):
        known = case.verdict == "known deviation"
        word = "ok" if case.as_expected(level) and not known else "not ok"
        yield f"{word} {number} - {_name(case)}{_directive(case, _TODO)}"
        if not case.as_expected(level):
            yield from ("  ---", *_block(case), "  ...")


def _block(case: Case) -> Iterator[str]:
    told = {"verdict": case.verdict, "code": case.code, "level": case.level, "message": case.reason, "at": case.at}
    told |= {"rules": ", ".join(case.record["cites"]), "again": case.reproduce}
    # A JSON text is a YAML text as well.
    yield from (f"  {name}: {json.dumps(text, ensure_ascii=False)}" for name, text in told.items() if text)


def ktap(cases: Sequence[Case], level: str) -> Iterator[str]:
    """Yield the lines of KTAP: a subtest per topic (and target, if there are several), in it a result per case."""
    several = len({case.target for case in cases}) > 1
    topics: dict[str, list[Case]] = {}
    for case in cases:
        topics.setdefault(f"{case.target} {case.group}" if several else case.group, []).append(case)
    yield "KTAP version 1"
    yield f"1..{len(topics)}"
    for number, (topic, found) in enumerate(topics.items(), 1):
        yield from ("  KTAP version 1", f"  # Subtest: {_plain(topic)}", f"  1..{len(found)}")
        for at, case in enumerate(found, 1):
            good = case.as_expected(level)
            if not good:
                yield f"  # {_plain(case.verdict)}: {_plain(case.reason)}"
                yield f"  # {_plain(case.reproduce)}"
            yield f"  {'ok' if good else 'not ok'} {at} {_name(case)}{_directive(case, _XFAIL)}"
        skipped = all(case.verdict == "not applicable" for case in found)
        passed = all(case.as_expected(level) for case in found)
        yield f"{'ok' if passed else 'not ok'} {number} {_plain(topic)}{' # SKIP' if skipped else ''}"
    bad = sum(not case.as_expected(level) for case in cases)
    known = sum(case.verdict == "known deviation" for case in cases)
    skips = sum(case.verdict == "not applicable" for case in cases)
    yield f"# Totals: pass:{len(cases) - bad - known - skips} fail:{bad} xfail:{known} xpass:0 skip:{skips} error:0"


def _name(case: Case) -> str:
    return f"{_plain(case.key.id)} on {_plain(case.target)} IPv{case.key.ip}"


def _directive(case: Case, declared: str) -> str:
    if case.verdict == "not applicable":
        return f" # {_SKIP} {_plain(case.reason)}"
    return f" # {declared} {_plain(case.reason)}" if case.verdict == "known deviation" else ""


def _plain(text: str) -> str:
    """Return the text in a line, without the sign that begins a directive."""
    return " ".join(text.split()).replace("#", "No.")
