"""Generated conversations on stacks that others wrote: all that they show is declared, and nothing is our own error."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.explore import notation
from harness.explore.playing import Player, Stage
from harness.targets.building import drivers
from harness.targets.protocol import UnusableTarget
from harness.targets.registry import parse

ROOT = Path(__file__).parents[3]


def _built(name: str) -> None:
    try:
        drivers.build(name)
    except UnusableTarget as error:
        pytest.skip(f"{name} is not tested: {error}")


def test_a_connection_that_a_fin_opens_by_a_cookie_is_carried_to_its_end() -> None:
    """Nothing is to be seen of it before, but both sides' numbers are known."""
    _built("netstack")
    text = "listen:1 S@n 3{same-port}:S@n"
    command = [sys.executable, "-m", "harness", "explore", "--target", "netstack", "--no-expectations"]
    done = subprocess.run(
        [*command, "--replay", text], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.parametrize(
    "text",
    [
        "listen S@n~s.w3.t+0 R@n S@i",
        "listen S@i~w3 unlisten listen S@i",
        "listen S@i~s.w3.t+0 A@p,r RA@p,r S@i",
        "listen S@i~s.w3.t+0 A@p,r accept abort S@i",
    ],
)
def test_a_request_behind_an_end_is_no_repetition_though_a_clock_gives_it_the_same_number(text: str) -> None:
    """RFC 9293 §3.4.1: ISN = M + F(…), and no time passes here."""
    _built("smoltcp")
    command = [sys.executable, "-m", "harness", "explore", "--target", "smoltcp", "--no-expectations"]
    done = subprocess.run(
        [*command, "--replay", text], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert "same options" not in done.stdout, done.stdout[-3000:]


@pytest.mark.parametrize("name", ["lwip", "smoltcp"])
def test_what_they_show_is_declared(name: str, tmp_path: Path) -> None:
    _built(name)
    command = [sys.executable, "-m", "harness", "explore", "--target", name, "--count", "300"]
    done = subprocess.run(
        [*command, "--results", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    lines = (tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()
    verdicts = {record["verdict"] for record in map(json.loads, lines) if record["kind"] == "case"}
    assert {"conforms", "known deviation"} <= verdicts


#: What a driver or the judge once took for the stack's own, as conversations that are in order.
IN_ORDER = {
    "a SYN in fragments": "1{form=fragments}:listen S@i A@p,r accept",
    "fragments, the last one first": "1{form=fragments-reversed}:connect SA@i,r A@p,r/10 recv:100",
    "the one that was established first is accepted first": "listen S@i 2{same-port}:S@i 2:A@p,r A@p,r accept accept "
    "A@p,r/10 2:A@p,r/7 recv:100 2:recv:100",
    "an active open on the port of a listener": "listen connect S@i A@p,r accept",
    "an ACK that waited leaves before the reset of ABORT": "listen S@i A@n,n accept send:4 send:4 FA@n,u abort",
    "a backlog that is full": "listen:1 S@i 2{same-port}:S@i",
    "an ACK behind a probe that the window has no room for": "listen S@i A@p,r%0 accept send:100 FA@p,u%0 A@p,r",
}


def _verdict(stack: str, text: str) -> str:
    if stack != "linux":
        _built(stack)
    player = Player(Stage(parse(stack), bundled=False))
    try:
        (record,) = player.play([notation.generated_from(text)])
    finally:
        player.close()
    return str(record["verdict"])


@pytest.mark.parametrize("name", IN_ORDER)
def test_what_is_in_order_is_no_finding(name: str) -> None:
    assert _verdict("smoltcp", IN_ORDER[name]) == "conforms"


@pytest.mark.parametrize(
    "plan",
    [
        # With other windows they are duplicates to lwIP all the same: the third draws the text and restarts its timer.
        "listen S@i A@p,r accept send:100 await wait:950 "
        "[A@n,u%64000] wait:950 [A@n,u%300] wait:950 [A@n,u%40000] wait:16000",
        # What is said to change nothing has acknowledged the text.
        "listen S@n A@n,n accept send:100 await wait:950 wait:950 wait:950 wait:950 wait:950 [A@n,n] wait:950 wait:950",
    ],
    ids=["text as an answer", "acknowledged"],
)
def test_what_changes_something_lawfully_is_not_held_against_the_twin(plan: str) -> None:
    assert _verdict("lwip", plan) == "conforms"


@pytest.mark.parametrize("stack", ["lwip", "smoltcp"])
def test_a_queue_ends_with_its_listener(stack: str) -> None:
    """The driver of lwIP once freed the second connection twice, and the stack was said to crash."""
    text = "listen S@i 2{same-port}:S@i 3{same-port}:S@i A@p,r 2:A@p,r 3:A@p,r unlisten"
    assert _verdict(stack, text) == "conforms"


def test_half_open_connections_do_not_end_with_a_later_socket() -> None:
    """The driver of lwIP once closed one that had outlived its listener, when a later socket stood in its place."""
    later = "repeat:3 *{same-port}:S@i *:A@p,r accept *:shutdown *:FA@p,r *:close end"
    assert _verdict("lwip", f"listen repeat:9 *:listen *:S@i *:unlisten end {later}") == "conforms"


@pytest.mark.parametrize(
    "plan",
    [
        "listen S@n A@n,n/1 2{same-port}:S@n 2:A@n,n/1 fresh 2:R@n",
        "listen:2 S@n A@n,n/1 R@n 2{same-port}:S@n 2:A@n,n/1 fresh S@i 2:R@n A@n,n",
    ],
    ids=["forgotten", "ended"],
)
def test_text_that_a_peer_sent_before_it_began_anew_is_told_from_that_of_an_ended_connection(plan: str) -> None:
    """It has the numbers that the peer counted from then, not those of its next connection."""
    assert _verdict("netstack", plan) == "conforms"


def test_text_of_a_connection_that_was_reset_is_not_taken_for_that_of_another_ended_one() -> None:
    """Nobody accepted either; which of both `accept()` gives, its address does not tell any more."""
    plan = "listen 2{offer=s.w3.t,same-port}:listen S@n AU@n,n/1 2:S@n R@n 2:FA@n,n 2:R@n S@n"
    assert _verdict("linux", plan) == "conforms"
