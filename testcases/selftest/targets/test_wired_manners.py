"""What a server does before any case is held against the kind that was named: another would be wrong in each."""

import sys
from pathlib import Path

import pytest

from harness.targets import registry
from harness.targets.protocol import UnusableTarget
from testcases.selftest.targets import test_wired as wired
from testcases.selftest.wired_linux import ABORTS, LATE, STUBBORN

LINUX = f"{sys.executable} -m testcases.selftest.wired_linux {{if}} 2"
#: Where its servers are.
ECHO, DISCARD, DAYTIME, CHARGEN, HOLD = 7, 9, 13, 19, 82


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "port", "complaint", "hint"),
    [
        ("close", DISCARD, "it does not close by itself within 2 s", "app=echo:PORT"),
        ("daytime", ECHO, "it does not close by itself within 2 s", "app=discard:PORT"),
        ("daytime", CHARGEN, "it says .* and does not close by itself", "app=chargen:PORT"),
        ("discard", ECHO, "to b'q' it says b'q'", "app=echo:PORT"),
        ("discard", DAYTIME, "it closes by itself", "app=daytime:PORT"),
        ("discard", CHARGEN, "it says .* unasked", "app=chargen:PORT"),
        ("hold", DISCARD, "it closes behind its peer's FIN", "app=discard:PORT"),
        ("hold", ECHO, "to b'q' it says b'q'", "app=echo:PORT"),
        ("chargen", ECHO, "it says nothing by itself within 2 s", "app=echo:PORT"),
        ("chargen", DAYTIME, "it closes by itself", "app=daytime:PORT"),
        ("http", DAYTIME, "it closes by itself", "app=daytime:PORT"),
        ("http", CHARGEN, "it says .* unasked", "app=chargen:PORT"),
        ("http", HOLD, "does not close behind a GET", "app=discard:PORT"),
        ("echo", ABORTS, "it resets the connection behind its peer's FIN", "SO_LINGER"),
    ],
)
def test_a_server_of_another_kind_is_refused_in_a_sentence(kind: str, port: int, complaint: str, hint: str) -> None:
    with pytest.raises(UnusableTarget, match=complaint) as refused:
        registry.open_target(registry.parse(f"tap:{LINUX},app={kind}:{port}"), registry.Settings()).close()
    assert f"port {port}" in str(refused.value)
    assert hint in refused.value.hint


@pytest.mark.slow
def test_an_echo_server_that_never_closes_breaks_no_rule(tmp_path: Path) -> None:
    """No RFC says when an application closes: what waits for that is no question."""
    seen, output = compared(STUBBORN, ("passive-close/*", "sanity/*", "grid/established/*"), tmp_path, judged=20)
    assert not {"inconclusive", "harness error"} & seen, output


def test_what_an_echo_server_still_owes_is_awaited_before_it_is_made_to_send(tmp_path: Path) -> None:
    compared(LATE, ("grid/established/ack/inside/*", "grid/established/ack/exact/*"), tmp_path, judged=10)


def compared(port: int, cases: tuple[str, ...], where: Path, *, judged: int) -> tuple[set[str], str]:
    """Play cases with an echo server: what it violates, Linux does too. Return the verdicts and the output."""
    chosen = ("--ip", "4", *(word for case in cases for word in ("--case", case)))
    seen, due = where / "wired", where / "linux"
    done = wired.run("--target", f"tap:{LINUX},app=echo:{port}", *chosen, where=seen)
    wired.run(*chosen, where=due)
    verdicts, of_linux = wired.verdicts(seen), wired.verdicts(due)
    broken = {case for case, verdict in verdicts.items() if verdict == "violates"}
    assert {of_linux[case] for case in broken} <= {"known deviation"}, done.stdout
    assert sum(verdict in ("conforms", "unobserved") for verdict in verdicts.values()) >= judged, done.stdout
    return set(verdicts.values()), done.stdout
