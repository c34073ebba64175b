"""Results files made by hand, for tests of what reads them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.trace.results import ResultsWriter

SILENT = {
    "code": "silent",
    "level": "MUST",
    "expected": "<CTL=ACK>",
    "observed": "",
    "state": "ESTABLISHED",
    "cites": ["MUST-12"],
    "step": "closing/test_fin.py:7",
}
RESET = {**SILENT, "code": "reset", "observed": "<SEQ=1><CTL=RST>"}
LAX = {**SILENT, "code": "extra", "level": "SHOULD", "observed": "<SEQ=1><CTL=ACK>"}


def case(name: str = "closing/fin", verdict: str = "conforms", *found: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the record of a case; `found` are its findings."""
    record = {"id": name, "target": "linux", "ip": 4, "verdict": verdict, "cites": ["RFC 9293 §3.6", "MUST-12"]}
    return record | ({"findings": list(found)} if found else {}) | more


def facts(name: str = "linux", version: str = "6.18", **more: Any) -> dict[str, Any]:
    """Return the facts of a target."""
    return {"name": name, "implementation": "Linux", "version": version, "details": {}, "sysctls": {}, **more}


def write(
    folder: Path,
    cases: Sequence[dict[str, Any]],
    *targets: dict[str, Any],
    complete: bool = True,
    left_out: dict[str, int] | None = None,
) -> Path:
    """Write a run and return its file."""
    writer = ResultsWriter(folder, command=["tcpspec", "run"])
    for target in targets or (facts(),):
        writer.target(target)
    for record in cases:
        writer.case(record)
    writer.finish(collected=len(cases), interrupted=not complete, seconds=1, left_out=left_out)
    return writer.path
