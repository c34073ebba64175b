"""lwIP and smoltcp behind a device, in real time and told by lines, against their adapters in virtual time."""

import shutil
import sys
from pathlib import Path

import pytest

from testcases.selftest.targets.test_wired_lines import run, verdicts

#: What a program with one address can't be asked.
ONE_ADDRESS = "not applicable"
TOPICS = ("sanity", "active-close", "passive-close", "simultaneous-open", "time-wait")
CHOSEN = [word for topic in TOPICS for word in ("--case", f"{topic}/*")] + ["--explore", "off"]


def behind(wire: str, layer: int, stack: str, *facts: str) -> str:
    words = [sys.executable, "-m", "testcases.selftest.wired_adapter", "{if}", str(layer), stack, *facts]
    return f"{wire}:{' '.join(words)},app=lines"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wire", "layer", "stack", "version", "least"),
    [("tap", 2, "lwip", "4", 250), ("tun", 3, "lwip", "6", 250), ("tap", 2, "smoltcp", "4", 280)],
)
def test_a_stack_behind_a_device_gives_the_verdicts_of_its_adapter(
    wire: str, layer: int, stack: str, version: str, least: int, tmp_path: Path
) -> None:
    if stack == "smoltcp" and not shutil.which("cargo"):
        pytest.skip("needs cargo")
    said = run("--target", behind(wire, layer, stack), *CHOSEN, "--ip", version, where=tmp_path / "wired")
    run("--target", stack, *CHOSEN, "--ip", version, where=tmp_path / "joined")
    seen, due = verdicts(tmp_path / "wired"), verdicts(tmp_path / "joined")
    asked = {case: verdict for case, verdict in seen.items() if verdict != ONE_ADDRESS}
    assert {case: verdict for case, verdict in asked.items() if verdict != due[case]} == {}, said
    assert len(asked) >= least, said


@pytest.mark.slow
def test_a_tick_is_allowed_for(tmp_path: Path) -> None:
    """In virtual time lwIP's time-outs begin with its tick, and over a wire anywhere between two of them."""
    chosen = ["--case", "timers/rto-after-a-lost-syn[active]", "--case", "timers/syn-backs-off", "--ip", "4"]
    told = run("--target", behind("tun", 3, "lwip", "tick=500"), "--timers", "60", *chosen, where=tmp_path)
    assert sorted(verdicts(tmp_path).values()) == ["conforms", "known deviation"], told
