"""`tcpspec adapter check`: an adapter that is wrong in one way is told so, with what was asked and what came."""

import sys
from pathlib import Path

import pytest

from harness.targets.adapter import check as adapter_check
from harness.targets.adapter.process import Command

ADAPTER = Path(__file__).parents[1] / "kit_adapter.py"
ROOT = ADAPTER.parents[2]
#: What is wrong, as methods of a class derived from the adapter's, and what the check says.
FAULTS = {
    "one packet with each command": (
        """
    def taken(self):
        sent, self._sent = self._sent[:1], self._sent[1:]
        return sent
""",
        "bad  send: all that goes out",
        "1 packets come with the answer to 'send'",
    ),
    "acknowledgments some milliseconds late": (
        """
    def arrive(self, packet, frame):
        super().arrive(packet, frame)
        self.held, self._sent = self._sent, []

    def advance(self, milliseconds):
        super().advance(min(milliseconds, 3) if self.held else milliseconds)
        self._sent += [(self.now(), packet) for _time, packet in self.held if milliseconds]
        self.held = self.held if not milliseconds else []
""",
        "bad  passive open",
        "comes 3 ms later, and must not need time to pass",
    ),
    "a reset that forgets nothing": (
        "    def reset(self): ...\n",
        "bad  reset: everything is forgotten",
        "must answer 'ok CLOSED",
    ),
    "a reset that forgets the listener's connections only": (
        """
    def reset(self):
        self.old = True

    def state(self, local, remote):
        return State("CLOSED") if getattr(self, "old", False) else super().state(local, remote)
""",
        "bad  reset: everything is forgotten",
        "'reset' has not forgotten a connection: it still answers",
    ),
    "a second address that is ignored": (
        """
    def arrive(self, packet, frame):
        if packet[:1] != b"E" or packet[19] == 1:
            super().arrive(packet, frame)
""",
        "bad  a second address",
        "must come out",
    ),
    "a window that never closes": (
        """
    def accept(self, listener):
        self.eager = super().accept(listener)
        return self.eager

    def arrive(self, packet, frame):
        super().arrive(packet, frame)
        if len(packet) > 1000:
            self.eager.recv(1 << 20)
""",
        "bad  recv: what nobody reads",
        "that nobody has read, and the window is",
    ),
    "a clock that stands still": (
        "    def now(self): return 0.0\n",
        "bad  advance: time passes",
        "'advance 100' makes the time 0 ms",
    ),
    "a clock that drifts": (
        "    def now(self): return super().now() * (1.0 if super().now() < 1050 else 1.01)\n",
        "bad  the clock",
        "nothing else may move it",
    ),
    "an opening that takes time": (
        """
    def connect(self, local, remote):
        self.target.pass_time(5_000_000)
        return super().connect(local, remote)
""",
        "bad  advance: time passes",
        "'connect' takes 5 ms of the stack's time",
    ),
    "an option that is taken and not kept": (
        """
    def set_option(self, sock, name, value): pass
""",
        "bad  option: keep-idle",
        "keep-idle' must answer 'ok 3600', not 'ok 7200'",
    ),
    "an option of another unit": (
        """
    def option(self, sock, name):
        return super().option(sock, name) // (1000 if name == "user-timeout" else 1)
""",
        "bad  option: user-timeout",
        "must answer 'ok 90000', not 'ok 90'",
    ),
    "a death": (
        """
    def abort(self, sock):
        print("assertion failed: no pcb")
        __import__("os").abort()
""",
        "bad  advance: time passes",
        "died of SIGABRT",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_check_finds(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    methods, step, words = FAULTS[fault]
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    right = ADAPTER.read_text().partition("if __name__ == ")[0]
    held = "    held = ()\n" if "self.held" in methods else ""
    (tmp_path / "wrong.py").write_text(f"{right}class Wrong(Reference):\n{held}{methods}\n\nserve(Wrong())\n")
    lines: list[str] = []
    assert not adapter_check.check(Command([sys.executable, str(tmp_path / "wrong.py")]), lines.append, limit_s=60)
    text = "\n".join(lines)
    assert step in text, text
    assert words in text, text
    assert "> " in text, "what was asked stands below"


def test_the_check_shows_standard_error_and_what_it_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    right = ADAPTER.read_text().partition("if __name__ == ")[0]
    mute = "class Mute(Reference):\n    def arrive(self, packet, frame):\n        print('nothing here')\n"
    (tmp_path / "mute.py").write_text(f"{right}{mute}\n\nserve(Mute())\n")
    lines: list[str] = []
    assert not adapter_check.check(Command([sys.executable, str(tmp_path / "mute.py")]), lines.append, limit_s=60)
    text = "\n".join(lines)
    assert "its standard error ends with: nothing here" in text
    assert "> in <SEQ=1000><CTL=SYN> 198.51.100.2:60000 → 198.51.100.1:80" in text


def test_a_deviation_of_the_stack_is_no_fault_of_the_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    right = ADAPTER.read_text().partition("if __name__ == ")[0]
    deaf = """class Deaf(Reference):
    def arrive(self, packet, frame):
        if packet[33] != 0x14:  # a reset that acknowledges
            super().arrive(packet, frame)
"""
    (tmp_path / "deaf.py").write_text(f"{right}{deaf}\n\nserve(Deaf())\n")
    lines: list[str] = []
    assert adapter_check.check(Command([sys.executable, str(tmp_path / "deaf.py")]), lines.append, limit_s=60), lines
    assert any(line.startswith("note active open: refused by the peer") for line in lines)


#: Adapters of these were once called bad: what they do otherwise is the stack's, and no sentence of the protocol's.
DIFFERENT = (
    "ecn-setup-syn",
    "accurate-ecn-syn",
    "fast-open-offered",
    "abort-rests-in-time-wait",
    "receive-by-segments",
    "text-collected-for-a-moment",
    "first-rto-45-s",
    "only-mss",
)


@pytest.mark.parametrize("words", [*(f"varies {name}" for name in DIFFERENT), "microseconds-pass-with-openings"])
def test_the_adapter_of_a_correct_but_different_stack_is_fine(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    lines: list[str] = []
    odd = Command([sys.executable, str(ADAPTER.with_name("odd_adapter.py")), *words.split()])
    assert adapter_check.check(odd, lines.append, limit_s=60), lines
    assert [line for line in lines if line.startswith("note")] == []
