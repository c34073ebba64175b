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
    "reference": {},
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
PLAYED = {"reference": 65, "lwip": 63, "smoltcp": 58, "kernel:6.12": 78, "linux": 77}
#: Scripts of the dialect of FreeBSD, which say how large its buffers are.
OF_ITS_BUFFERS = {
    f"pkt/bsd/{name}"
    for name in (
        "reset-at-the-edge",
        "reset-by-the-secure-rule",
        "reset-in-syn-sent",
        "states-by-assertion",
        "states-by-command",
    )
}
#: Where a stack does otherwise than a script that is played strictly says.
STRICTLY = {
    "reference": OF_ITS_BUFFERS
    | {
        "pkt/close-fin-on-text",  # Linux delays the acknowledgment
        "pkt/close-linger-reset",
        "pkt/open-as-the-runner-sets-it",  # it has buffers of its own
        "pkt/poll-for-room",  # its text goes in several segments
        "pkt/options-sack",  # Linux puts two NOPs in front of it
        "pkt/text-in-one-piece",
    },
    "linux": OF_ITS_BUFFERS | {"pkt/poll-for-room"},
}
#: What a busy machine may be too late for: packetdrill's tolerance is 4 ms.
LATE = {"late", "early"}


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


@pytest.mark.parametrize("stack", STRICTLY)
def test_our_own_scripts_say_what_comes_strictly_too(stack: str, tmp_path: Path) -> None:
    cli.main(["run", "--target", stack, "--pkt-match", "strict", "--results", str(tmp_path), str(OWN)])
    differ = {
        record["id"]: {_code_of(finding) for finding in record["findings"]}
        for record in read(tmp_path).cases
        if record["verdict"] == "violates"
    }
    in_time = {case for case, codes in differ.items() if codes & LATE} if stack == "linux" else set()
    assert set(differ) - in_time == STRICTLY[stack]


def _code_of(finding: dict[str, str]) -> str:
    """Return the code of a finding: that of a call which is late to return, because the peer was, is LATE."""
    return "late" if finding["expected"].endswith(" returns") else finding["code"]
