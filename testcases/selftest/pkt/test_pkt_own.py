"""The scripts that come with the tool, on every stack that is here: they conform but where one is known to differ."""

from pathlib import Path

import pytest

from harness import cli
from harness.targets import registry
from harness.targets.protocol import UnusableTarget
from harness.trace.results import read

OWN = Path(__file__).parents[2] / "pkt"
#: Where a stack does otherwise than a script says, and why that is so.
OTHERWISE = {
    "reference": {"pkt/close-linger-reset": "its reset of an ABORT has no ACK (RFC 9293 §3.10.5 leaves that open)"},
    "lwip": {
        "pkt/reset-of-a-stray": "its resets always have an ACK",
        "pkt/reset-closed-port": "its resets always have an ACK",
        "pkt/open-old-syn-ack": "its resets always have an ACK",
    },
    "smoltcp": {"pkt/close-fin-early": "it does not acknowledge what it does not keep"},
    "kernel:6.12": {},
    "linux": {},
}
#: At least so many of them can be played.
PLAYED = {"reference": 54, "lwip": 52, "smoltcp": 49, "kernel:6.12": 65, "linux": 64}


@pytest.mark.parametrize("stack", OTHERWISE)
def test_our_own_scripts_conform(stack: str, tmp_path: Path) -> None:
    try:
        registry.open_target(registry.parse(stack), registry.Settings()).close()
    except UnusableTarget as error:
        pytest.skip(f"needs {stack}: {error.message}")
    cli.main(["run", "--target", stack, "--results", str(tmp_path), str(OWN)])
    verdicts = {record["id"]: record["verdict"] for record in read(tmp_path).cases}
    assert len(verdicts) == len(list(OWN.rglob("*.pkt"))) >= 40
    assert {case for case, verdict in verdicts.items() if verdict == "violates"} == set(OTHERWISE[stack])
    played = [case for case, verdict in verdicts.items() if verdict in ("conforms", "violates")]
    assert len(played) >= PLAYED[stack]
    assert set(verdicts.values()) <= {"conforms", "violates", "not applicable"}
