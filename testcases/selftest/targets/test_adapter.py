"""Adapters: what one does wrong is one clear verdict of the case at hand, and the next case has a fresh one."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from harness.case import ACK, SYN
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.runner import CaseRun, Ending, run
from harness.case.target_side import TargetSide
from harness.case.timer_batch import TimerCase, run_together
from harness.case.timers import Stopwatch, Waits
from harness.case.violation import Unjudgeable
from harness.case.walks import Walk
from harness.spec.states import CLOSED, ESTABLISHED, SYN_SENT, TIME_WAIT
from harness.targets import registry
from harness.targets.adapter import check as adapter_check
from harness.targets.adapter.line import AdapterFailure, Answer
from harness.targets.adapter.process import AdapterProcess, Command
from harness.targets.adapter.socket import AdapterSocket
from harness.targets.adapter.target import CLAIMABLE, AdapterTarget, read_greeting
from harness.targets.building import drivers
from harness.targets.protocol import Capability, NotOffered, TargetError, UnusableTarget
from testcases.selftest import container_engine
from testcases.selftest.processes import ends

SCRIPT = Path(__file__).parents[1] / "scripted_adapter.py"
CLOCKED = Path(__file__).parents[1] / "clocked_adapter.py"
#: What an adapter may do wrong, and what the harness says about it.
WRONG = {
    "crash": r"died of SIGSEGV\sat 'in 45.*standard error ends with: assertion failed: snd_nxt",
    "exit": r"ended with exit code 3\sat 'in 45",
    "mute": r"closed its standard output at 'in 45",
    "garbage": r"answered 'in 45.* with 'hello world': not an out, ok or err line",
    "empty": r"with nothing: not an out, ok or err line",
    "bad-hex": r"with 'out 0 4x': not 'out TIME HEX'",
    "bad-time": r"with 'out now 45': not 'out TIME HEX'",
    "binary": r"not text",
    "no-name": r"with 'err': not an out, ok or err line",
    "long": r"with a line of over \d+ octets",
    "behind": r"went on behind its final line, with 'out 0 00'",
}


def _scripted(mode: str, folder: Path) -> AdapterTarget:
    arguments = [sys.executable, str(SCRIPT), mode, str(folder / "marker")]
    return AdapterTarget(Command(arguments), name="exec:scripted", limit_s=60)


def _pid(target: AdapterTarget) -> int:
    assert target._line is not None
    assert isinstance(target._line.carrier, AdapterProcess)
    return target._line.carrier.pid


def _open_silently(target: TargetSide, peer: PeerSide) -> None:
    target.listen()
    peer.send(SYN)
    target.must_not_send()
    target.must_be(CLOSED)


def _is_alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@pytest.mark.parametrize("mode", WRONG)
def test_what_an_adapter_does_wrong_is_one_clear_verdict_of_one_case(mode: str, tmp_path: Path) -> None:
    target = _scripted(mode, tmp_path)
    rig = Rig(target, guarded=False)
    try:
        pid = _pid(target)
        outcome = run(rig.begin(4, name="first"), Walk(CLOSED), _open_silently)
        assert outcome.ending is (Ending.VIOLATION if mode in ("crash", "exit") else Ending.HARNESS_ERROR)
        assert re.search(WRONG[mode], outcome.message, re.DOTALL), outcome.message
        assert not _is_alive(pid), "the old process is gone at once"
        rig.sweep()
        after = run(rig.begin(4, name="second"), Walk(CLOSED), _open_silently)
        assert (after.ending, after.findings) == (Ending.COMPLETED, []), after.message
    finally:
        rig.close()


GREETINGS = {
    "err EPROTONOSUPPORT only version 2": "refuses tcpspec-adapter version 1: EPROTONOSUPPORT only version 2",
    "ok tcpspec-adapter 2 name=X version=1 time=virtual": "speaks 'tcpspec-adapter 2', and this harness",
    "ok": "speaks ''",
    "ok tcpspec-adapter 1 version=1 time=virtual": "needs name= and version=",
    "ok tcpspec-adapter 1 name=../linux version=1 time=virtual": "needs name= and version=",
    "ok tcpspec-adapter 1 name=X version=1": "needs time=virtual or time=real",
    "ok tcpspec-adapter 1 name=X version=1 time=real capabilities=teleport": "claims 'teleport'; capabilities are",
    "ok tcpspec-adapter 1 name=X version=1 time=real capabilities=socket-options": "claims 'socket-options'; capab",
    "ok tcpspec-adapter 1 name=X version=1 time=real calls=shutdown,splice": "calls=splice; there are shutdown",
}


@pytest.mark.parametrize("greeting", GREETINGS)
def test_a_wrong_greeting_is_a_usage_error(greeting: str) -> None:
    script = f"read line; echo {shlex.quote(greeting)}; read line"
    with pytest.raises(UnusableTarget, match=re.escape(GREETINGS[greeting])):
        AdapterTarget(Command(["sh", "-c", script]), name="x", limit_s=60)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("exec:", "needs the command"),
        ("exec:'open", "is no command line"),
        ("exec:/nowhere/adapter", "can't be started: No such file"),
        ("exec:true", "ended with exit code 0\nat 'hello"),
    ],
)
def test_a_command_that_is_no_adapter_is_a_usage_error(command: str, message: str) -> None:
    with pytest.raises(UnusableTarget, match=re.escape(message)):
        registry.open_target(registry.parse(command), registry.Settings())


def test_the_rest_of_exec_is_one_command_line_without_a_shell(tmp_path: Path) -> None:
    text = f"exec:{sys.executable} {SCRIPT} 'crash,with=comma; $HOME' {tmp_path / 'marker'}"
    target = registry.open_target(registry.parse(text), registry.Settings())
    try:
        assert target.name == text
        assert Capability.VIRTUAL_TIME in target.capabilities
        assert target.facts.details["adapter"].split(" ", 2)[2].startswith("crash,with=comma; $HOME")
    finally:
        target.close()


def test_a_child_of_an_adapter_that_hangs_is_ended_too(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    hanging = f"sleep 300 & echo $! > {pid_file}; trap '' TERM; read line; wait"
    with pytest.raises(UnusableTarget, match="did not answer"):
        AdapterTarget(Command(["sh", "-c", hanging]), name="x", limit_s=3)
    assert ends(int(pid_file.read_text()))


def test_a_socket_of_a_forgotten_connection_does_nothing(tmp_path: Path) -> None:
    target = _scripted("crash", tmp_path)
    try:
        sock = target.socket(4)
        sock.listen("198.51.100.1", 80, 5)
        target.forget_connections()
        with pytest.raises(TargetError, match="made to forget"):
            sock.accept()
        sock.close()
    finally:
        target.close()


def test_an_adapter_may_give_all_the_text_that_was_asked_for() -> None:
    program = """if True:
        import sys
        for line in sys.stdin:
            verb, *words = line.split()
            answers = {"hello": "tcpspec-adapter 1 name=X version=1 time=virtual", "listen": "1"}
            text = "2a" * int(words[1]) if verb == "recv" else answers.get(verb, "")
            print("ok", text, flush=True)
    """
    target = AdapterTarget(Command([sys.executable, "-c", program]), name="x", limit_s=60)
    try:
        sock = target.socket(4)
        sock.listen("198.51.100.1", 80, 5)
        assert sock.recv(1_000_000) == b"*" * 1_000_000
    finally:
        target.close()


def test_the_check_names_what_an_adapter_lacks(tmp_path: Path) -> None:
    (tmp_path / "marker").touch()
    lines: list[str] = []
    arguments = [sys.executable, str(SCRIPT), "crash", str(tmp_path / "marker")]
    assert not adapter_check.check(Command(arguments), lines.append)
    text = "\n".join(lines)
    assert "ok   hello" in text
    assert "'no-such-command 1 2 3' must answer 'err NAME', not 'ok '" in text
    assert "must answer 'ok LISTEN …', not 'ok CLOSED'" in text
    assert "<CTL=SYN> must come out (numbers aside), not no packet" in text


def test_the_check_tries_the_settings_that_an_adapter_names() -> None:
    greeting = "ok tcpspec-adapter 1 name=X version=1 time=virtual settings="
    lacks = {"acks": "settings= names 'acks'; there are ack, throttle", "throttle": "'set throttle on' is refused"}
    for setting, lack in lacks.items():
        script = f'while read verb rest; do case $verb in hello) echo "{greeting}{setting}";; address) echo ok;;'
        lines: list[str] = []
        assert not adapter_check.check(Command(["sh", "-c", f"{script} *) echo err EINVAL;; esac; done"]), lines.append)
        assert lack in "\n".join(lines)


@pytest.mark.parametrize("text", ["half", "-1", "1001", ""])
def test_a_tick_is_so_many_milliseconds(text: str) -> None:
    words = ["tcpspec-adapter", "1", "name=mine", "version=1", "time=virtual"]
    assert read_greeting(Answer([], "", [*words, "tick=500"])).tick_s == 0.5
    with pytest.raises(AdapterFailure, match=f"has tick={text}; it takes milliseconds up to 1000"):
        read_greeting(Answer([], "", [*words, f"tick={text}"]))


def test_the_page_names_what_an_adapter_can_claim() -> None:
    page = (drivers.driver_folder() / "ADAPTER.md").read_text()
    table = page.partition("| capability |")[2].partition("\n\n")[0]
    named = [name for row in table.splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert sorted(named) == sorted(CLAIMABLE)


@pytest.mark.slow
def test_an_image_with_an_adapter_takes_no_options() -> None:
    tag = container_engine.image("lwip")
    for option in ("wire=tap", "runtime=runsc"):
        with pytest.raises(UnusableTarget, match="has an adapter, and no options"):
            registry.open_target(registry.parse(f"docker:{tag},{option}"), registry.Settings())


def test_an_adapter_with_a_clock_of_its_own_passes_the_check_and_conforms() -> None:
    """In real time `advance` ends somewhat behind the packet that ends it."""
    clocked = Command([sys.executable, str(CLOCKED)])
    lines: list[str] = []
    assert adapter_check.check(clocked, lines.append, limit_s=60), "\n".join(lines)
    rig = Rig(AdapterTarget(clocked, name="x", timers=True, limit_s=60), guarded=False)

    def repeat(side: TargetSide, _peer: PeerSide) -> Waits:
        yield from Stopwatch(side).must_send_after(1, SYN, seq=0)

    case = TimerCase(CaseRun(rig.begin(4, name="syn"), Walk(SYN_SENT)), repeat)
    run_together(rig, [case])
    rig.close()
    assert case.error is None


# --- lwIP ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lwip() -> Path:
    """The built driver; without compiler or library these tests can't run, and say so."""
    try:
        return drivers.build("lwip")
    except UnusableTarget as error:
        pytest.skip(f"NOT TESTED, the lwIP driver: {error}")


def test_a_driver_is_built_once(lwip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "_compile", lambda *_arguments: pytest.fail("it is built again"))
    assert drivers.build("lwip") == lwip


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recipe = drivers.Recipe("lwip/driver.c", tmp_path, ("lwip/init.h",), (), "liblwip-dev")
    monkeypatch.setitem(drivers.RECIPES, "lwip", recipe)
    with pytest.raises(UnusableTarget, match=r"init.h is missing\n.*apt-get install gcc liblwip-dev"):
        drivers.build("lwip")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnusableTarget, match=r"no C compiler\n.*apt-get install gcc liblwip-dev"):
        drivers.build("lwip")


def test_the_driver_of_lwip_passes_the_check(lwip: Path) -> None:
    lines: list[str] = []
    assert adapter_check.check(Command([str(lwip)]), lines.append), "\n".join(lines)


def test_the_dialogue_of_the_page_is_real(lwip: Path) -> None:
    page = (drivers.driver_folder() / "ADAPTER.md").read_text()
    dialogue = page.partition("## A dialogue")[2].partition("\n## ")[0]
    lines = [line.removeprefix("    ") for line in dialogue.splitlines() if line.startswith("    ")]
    asked = [line.removeprefix("> ") for line in lines if line.startswith("> ")]
    done = subprocess.run([lwip], input="\n".join(asked) + "\n", capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == [line for line in lines if not line.startswith("> ")]


def test_two_minutes_of_time_wait_cost_nothing(lwip: Path) -> None:
    target = AdapterTarget(Command([str(lwip)]), name="lwip", timers=True)
    rig = Rig(target, guarded=False)

    def outlast(side: TargetSide, _peer: PeerSide) -> Waits:
        yield from Stopwatch(side).must_become(CLOSED, 119, 130)

    case = TimerCase(CaseRun(rig.begin(6, name="time-wait"), Walk(TIME_WAIT)), outlast)
    run_together(rig, [case])
    rig.close()
    assert case.error is None
    assert target.clock.now_ns() >= 119e9


def test_lwip_delays_acks_only_where_the_harness_lets_it(lwip: Path) -> None:
    def data(side: TargetSide, peer: PeerSide) -> None:
        peer.send(ACK, b"data")
        if side.may_send(ACK, seq=1, ack=5):
            raise Unjudgeable("at once")

    endings = []
    for timers in (False, True):
        rig = Rig(AdapterTarget(Command([str(lwip)]), name="lwip", timers=timers), guarded=False)
        endings.append(run(rig.begin(4, name="data"), Walk(ESTABLISHED), data).message)
        rig.close()
    assert endings == ["at once", ""]


def test_a_run_on_lwip_is_as_expected(lwip: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "run", "--target", "lwip", "--grid", "off", f"--results={tmp_path}"]
    cases = ["--case", "sanity/*", "--case", "active-close/*", "--case", "simultaneous-open/*"]
    done = subprocess.run([*command, *cases], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert "known deviation" in done.stdout


@pytest.mark.parametrize(("pace", "gives_up"), [("virtual", True), ("real", False)])
def test_nobody_waits_until_a_stack_in_real_time_gives_up(pace: str, gives_up: bool) -> None:
    words = ["tcpspec-adapter", "1", "name=mine", "version=1", f"time={pace}", "capabilities=states"]
    assert (Capability.GIVES_UP in read_greeting(Answer([], "", words)).capabilities) is gives_up


class _WithoutAbort:
    """A dialogue with a stack that has no ABORT."""

    life, failed = 0, False

    def ask(self, command: str, *, extra_s: float = 0.0, octets: int = 0) -> Answer:
        return Answer([], "ENOSYS", ["no", "abort"]) if command == "abort 1" else Answer([], "", [])

    def fail(self, message: str) -> TargetError:
        return TargetError(message)


def test_a_stack_is_not_asked_to_send_nothing() -> None:
    assert AdapterSocket(_WithoutAbort(), "1").send(b"") == 0
    with pytest.raises(OSError, match="not open"):
        AdapterSocket(_WithoutAbort()).send(b"")


def test_a_call_that_the_stack_does_not_have_is_not_offered_and_not_refused() -> None:
    sock = AdapterSocket(_WithoutAbort(), "1")
    with pytest.raises(NotOffered, match=r"^abort\(\): no abort$"):
        sock.abort()
    sock.close()
