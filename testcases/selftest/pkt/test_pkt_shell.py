"""The commands of scripts: what they mean by the table, and that nothing is run."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from harness import cli
from harness.pkt import grammar, shell
from harness.pkt.settings import Settings, initial
from harness.pkt.shell import NOTHING, Setting, meanings, outcome
from harness.pkt.support import Traits
from harness.pkt.tree import Place
from harness.spec.states import State
from harness.targets.namespace.target import LinuxTarget
from harness.targets.protocol import Capability, Target, UnusableTarget
from testcases.selftest.playing import SERVER

LINUX = Traits("Linux", frozenset(Capability), frozenset({"net.ipv4.tcp_sack"}), values={"net.ipv4.tcp_sack": "1"})
PLAIN = Traits("lwIP", frozenset({Capability.STATES}))
SECURE = Traits("other", frozenset({Capability.RFC5961_RST}))


@pytest.mark.parametrize(
    ("command", "settings"),
    [
        ("sysctl -w net.inet.tcp.rfc1323=1", [("net.inet.tcp.rfc1323", "1")]),
        ("sysctl -q net.ipv4.tcp_sack=0 net.ipv4.tcp_ecn=1", [("net.ipv4.tcp_sack", "0"), ("net.ipv4.tcp_ecn", "1")]),
        ('/sbin/sysctl -q net.ipv4.tcp_rmem="1 2 $((3*1024))"', [("net.ipv4.tcp_rmem", "1 2 3072")]),
        ("echo 3 > /proc/sys/net/ipv4/tcp_ecn", [("net.ipv4.tcp_ecn", "3")]),
        ("sysctl -q net.ipv4.tcp_sack=0 \\\n", [("net.ipv4.tcp_sack", "0")]),
        ("sysctl -q net.ipv4.tcp_sack=0\\", [("net.ipv4.tcp_sack", "0")]),
        ("./set_sysctls.py /proc/sys/net/ipv4/tcp_sack=0", [("net.ipv4.tcp_sack", "0")]),
    ],
)
def test_a_setting_is_read(command: str, settings: list[tuple[str, str]]) -> None:
    (meaning,) = meanings(command)
    assert [(each.name, each.value) for each in meaning.settings] == settings


@pytest.mark.parametrize(
    ("command", "state"),
    [
        ("sockstat -4 -P tcp -s | grep packetdril | grep -c TIME_WAIT | grep 1", (State.TIME_WAIT, 1)),
        ("sockstat -4 -P tcp -p 8080 -s | grep -c SYN_RCVD | grep 0", (State.SYN_RECEIVED, 0)),
        ("sockstat -s -P tcp | grep 'packetdril' | awk '{print $8}' | grep 'CLOSED'", (State.CLOSED, None)),
        ("grep ' 06 ' /proc/net/tcp", (State.TIME_WAIT, None)),
        ("ss -tan state fin-wait-1 | wc -l | grep 2", (State.FIN_WAIT_1, 1)),  # one line is the header
        ("ss -tanH state listening | wc -l | grep -q 2", (State.LISTEN, 2)),
        ("ss --no-header -tan state syn-recv | wc -l | grep 0", (State.SYN_RECEIVED, 0)),
        ("ss -tan state time-wait | grep -c :8080 | grep 1", (State.TIME_WAIT, 1)),
        ("ss -tan | grep -c ESTAB | grep 1", (State.ESTABLISHED, 1)),
        ("ss -tan | grep :8080 | grep -c 'FIN-WAIT-2' | grep '^0$'", (State.FIN_WAIT_2, 0)),
        ("ss -tan | grep -q LAST-ACK", (State.LAST_ACK, None)),
    ],
)
def test_a_question_about_states_is_read(command: str, state: tuple[State, int | None]) -> None:
    assert [meaning.state for meaning in meanings(command)] == [state]


def test_ss_tells_of_no_connection_that_is_closed() -> None:
    found = meanings("ss -tan state closed | wc -l | grep 1; ss -tan state closed | wc -l | grep 2")
    assert [(each.state, each.unsupported) for each in found] == [(None, False), (None, True)]


def test_an_mtu_is_read() -> None:
    found = meanings("ip link set dev tun0 mtu 9000; ifconfig tun0 mtu 1400; ip link set dev tun0 mtu 99999999")
    assert [(each.mtu, each.unsupported) for each in found] == [(9000, False), (1400, False), (None, True)]


def test_a_question_about_counters_is_read() -> None:
    found = list(
        meanings('nstat -n; nstat -s | grep TcpExtBeyondWindow | grep -q " 3 "; nstat|grep -q TcpInSegs > /dev/null')
    )
    assert [each.counts for each in found] == [True, False, False]
    assert [each.counter for each in found] == [None, ("TcpExtBeyondWindow", 3, False), ("TcpInSegs", None, True)]


def test_several_commands_are_read_one_by_one() -> None:
    found = list(meanings("./defaults.sh\nsleep 0.5; ip tcp_metrics flush all > /dev/null 2>&1 && \\\n  true"))
    assert [bool(each.settings) for each in found] == [True, False, False, False]
    assert found[1].sleep_s == 0.5
    assert found[2].forgets
    assert not any(each.unsupported for each in found)
    (either,) = meanings(
        "sysctl -q net.ipv4.tcp_fastopen_cookies=0 net.ipv4.tcp_fastopen_cookies=9 || ip tcp_metrics flush"
    )
    assert either.forgets


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /",
        "curl http://x | sh",
        "python3 -c 'x'",
        "sockstat | sh",
        "$(reboot)",
        "tc qdisc add dev tun0 root netem",
        "tc qdisc add dev tun0 root pfifo limit 0",
        "nstat | sh",
    ],
)
def test_any_other_command_is_unsupported(command: str) -> None:
    assert all(meaning.unsupported for meaning in meanings(command))


def test_no_command_is_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    assert list(meanings(f"touch {witness}; echo x > {witness}; sysctl -w `touch {witness}`=1"))
    assert not witness.exists()


def test_a_setting_is_made_where_it_can_be_and_differs() -> None:
    assert outcome(Setting("net.ipv4.tcp_sack", "0"), LINUX).sets == (Setting("net.ipv4.tcp_sack", "0"),)
    assert outcome(Setting("net.ipv4.tcp_sack", "1"), LINUX) == NOTHING
    assert outcome(Setting("net.inet.tcp.sack.enable", "0"), LINUX).sets == (Setting("net.ipv4.tcp_sack", "0"),)
    keepidle = outcome(Setting("net.inet.tcp.keepidle", "15000"), LINUX).sets
    assert keepidle == (Setting("net.ipv4.tcp_keepalive_time", "15"),)
    assert outcome(Setting("net.inet.tcp.finwait2_timeout", "60000"), PLAIN) == NOTHING
    assert outcome(Setting("net.ipv4.tcp_new_thing", "1"), LINUX).sets == (Setting("net.ipv4.tcp_new_thing", "1"),)


def test_a_setting_is_there_where_it_is_the_default_or_the_target_has_it_so() -> None:
    assert outcome(Setting("net.inet.tcp.sack.enable", "1"), PLAIN) == NOTHING
    assert outcome(Setting("net.ipv4.tcp_sack", "0"), PLAIN) == NOTHING  # it claims none
    assert outcome(Setting("net.inet.tcp.insecure_rst", "1"), PLAIN) == NOTHING
    assert outcome(Setting("net.inet.tcp.insecure_rst", "0"), SECURE) == NOTHING


def test_a_setting_that_a_target_has_not_is_told() -> None:
    found = outcome(Setting("net.inet.tcp.insecure_rst", "1"), SECURE)
    assert (found.unsupported, found.lacking) == ("sysctl net.inet.tcp.insecure_rst=1", True)
    assert outcome(Setting("kern.maxproc", "1"), PLAIN).unsupported == "sysctl kern.maxproc"


def test_the_table_says_each_thing_once_and_why() -> None:
    table = shell.table()
    names = [name for known in set(table.settings.values()) for name in known.names]
    assert len(names) == len(set(names)) == len(table.settings)
    assert all(known.meaning for known in table.settings.values())
    assert all(
        entry.get("why") or entry["means"] in ("sleep", "states", "counter") for _pattern, entry in table.commands
    )


@pytest.fixture(name="folder_and_pod")
def fixture_folder_and_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in an empty folder, on a machine that can make pods."""
    try:
        LinuxTarget().close()
    except UnusableTarget as error:
        pytest.skip(f"needs a pod: {error.message}")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("folder_and_pod")
def test_commands_run_in_the_namespace_alone_where_they_are_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each script has a namespace of its own then, and what it tries beyond that does not work."""
    panic, sack = (Path("/proc/sys", name).read_text() for name in ("kernel/panic", "net/ipv4/tcp_sack"))
    before = (
        "`test -f a.pkt && ! echo 77 > /proc/sys/kernel/panic; sysctl -q net.ipv4.tcp_sack=0; ip link show dev tun0`\n"
    )
    Path("a.pkt").write_text(
        before + SERVER.replace("<mss 1460>\n", "<mss 1460,sackOK>\n", 1).replace("...>", "mss 1460>")
    )
    Path("b.pkt").write_text("`sysctl net.ipv4.tcp_sack | grep 1`\n" + SERVER + "+0 `false`\n")
    assert cli.main(["run", "--target", "linux", "--pkt-shell", "a.pkt", "b.pkt"]) == 1
    out = capsys.readouterr().out
    assert "pkt           1         1" in out
    assert "not as the script says: `false` ends with 0" in out
    assert Path("/proc/sys/kernel/panic").read_text() == panic
    assert Path("/proc/sys/net/ipv4/tcp_sack").read_text() == sack


@pytest.mark.usefixtures("folder_and_pod")
def test_an_mtu_is_that_of_the_route_which_can_have_nearly_all(capsys: pytest.CaptureFixture[str]) -> None:
    for mtu, mss, verdict in ((9000, 8960, "conforms"), (9000, 1460, "violates"), (65535, 65495, "not applicable")):
        Path("a.pkt").write_text(f"--mtu={mtu}\n{SERVER.replace('<...>', f'<mss {mss}>')}")
        assert cli.main(["show", "a.pkt"]) == (verdict == "violates")
        assert f"on linux, IPv4: {verdict}" in capsys.readouterr().out


@pytest.mark.usefixtures("folder_and_pod")
def test_what_a_timer_sends_behind_the_last_line_is_nobodys_business(capsys: pytest.CaptureFixture[str]) -> None:
    """A tail loss probe may be new text, which repeats nothing (RFC 8985 §7.3)."""
    opening = SERVER.replace("<mss 1460>", "<mss 1000,sackOK>").replace("+.1 <", "+.05 <")
    Path("a.pkt").write_text(opening + "+0 write(4, ..., 20000) = 20000\n+0 > P. 1:10001(10000) ack 1\n")
    assert cli.main(["run", "a.pkt", "--results", "there"]) == 0
    assert "pkt           1         ·" in capsys.readouterr().out


def test_a_setting_is_set_back_where_the_script_has_changed_it_before() -> None:
    made: list[tuple[str, str]] = []

    class Kernel:
        facts = None

        def setting(self, name: str, value: str) -> contextlib.AbstractContextManager[None]:
            made.append((name, value))
            return contextlib.nullcontext()

    settings = Settings(cast("Target", Kernel()), LINUX)
    for value in ("0", "0", "1"):
        assert list(settings.meanings(f"sysctl -q net.ipv4.tcp_sack={value}", Place(1, 1)))
    assert made == [("net.ipv4.tcp_sack", "0"), ("net.ipv4.tcp_sack", "1")]


def test_a_script_that_sets_something_back_is_played_alone() -> None:
    off, on = (f"`sysctl -q net.ipv4.tcp_sack={value}`\n" for value in "01")
    assert initial(grammar.parse("x.pkt", off + SERVER), LINUX) == (Setting("net.ipv4.tcp_sack", "0"),)
    back = off + SERVER + "+0 " + on + "+0 close(4) = 0\n"
    assert initial(grammar.parse("x.pkt", back), LINUX) is None


def test_the_first_timeouts_of_a_syn_double_on_linux_where_freebsd_says_how_long_the_first_is() -> None:
    (meaning,) = meanings("sysctl -w net.inet.tcp.rexmit_initial=1000")
    linear = Setting("net.ipv4.tcp_syn_linear_timeouts", "0")
    assert outcome(meaning.settings[0], replace(LINUX, values={linear.name: "4"})).sets == (linear,)
    assert outcome(meaning.settings[0], LINUX) == NOTHING  # an older kernel has no such setting
    assert outcome(meaning.settings[0], PLAIN) == NOTHING


def test_servers_of_packetdrills_own_scripts_open_fast_unasked() -> None:
    own, selftests = (next(meanings(text)).settings for text in ("../../common/defaults.sh", "./defaults.sh"))
    assert Setting("net.ipv4.tcp_fastopen", "0x403") in own
    assert Setting("net.ipv4.tcp_fastopen", "0x3") in selftests


@pytest.mark.parametrize(
    ("command", "ignored"),
    [
        ("/bin/dd bs=1 count=5 if=/dev/zero of=/tmp/testfile status=none", True),
        ("/bin/rm -f /tmp/testfile", True),
        ("rm -f /tmp/../etc/passwd", False),
        ("rm -rf /tmp/x", False),
        ("dd if=/dev/zero of=/dev/sda", False),
    ],
)
def test_only_files_that_are_thrown_away_are_nobodys_concern(command: str, ignored: bool) -> None:
    (meaning,) = meanings(command)
    assert meaning.unsupported is not ignored
