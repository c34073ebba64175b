"""Other machines by xdist's gateways: an sshd in a namespace of its own stands for a host."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.plugin import machines
from harness.trace import results

ROOT = Path(__file__).resolve().parents[3]
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
#: In a network namespace of its own: a host key, one user's key, and a run whose two workers are behind ssh.
SCRIPT = """
set -eu
ip link set lo up
mkdir -p /run/sshd
"$SSHD" -D -p 2222 -h "$FOLDER/host" -o ListenAddress=127.0.0.1 -o AuthorizedKeysFile="$FOLDER/key.pub" \
    -o StrictModes=no -o UsePAM=no -o PidFile=none -E "$FOLDER/log" &
trap "kill $!" EXIT
cd "$FOLDER"
options="-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectionAttempts=20"
gateway="ssh=-p 2222 -i $FOLDER/key $options $(id -un)@127.0.0.1//python=$PYTHON//chdir=$FOLDER/far"
"$PYTHON" -m harness run --target linux --ip 4 --case 'half-close/*' --tx "$gateway" --tx "$gateway" --dist load
"""


@pytest.mark.skipif(SSHD is None or os.geteuid() != 0, reason="needs root and openssh-server")
def test_workers_behind_ssh_come_to_the_same_verdicts(tmp_path: Path) -> None:
    for name in ("key", "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    (tmp_path / "far").mkdir()
    environment = {**os.environ, "FOLDER": str(tmp_path), "SSHD": str(SSHD), "PYTHON": sys.executable}
    done = subprocess.run(
        ["unshare", "--net", "bash", "-c", SCRIPT],
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    there = results.read(tmp_path / "results")
    assert there.complete
    assert len(there.cases) == 22
    assert {record["verdict"] for record in there.cases} == {"conforms"}


@pytest.mark.parametrize(
    ("arguments", "elsewhere"),
    [
        (["-n", "2"], False),
        (["--tx", "2*popen"], False),
        (["--tx=popen//python=python3"], False),
        (["--tx", "ssh=host//python=python3"], True),
        (["--px=ssh=host", "--tx", "popen"], True),
    ],
)
def test_a_gateway_leads_to_another_machine_unless_it_is_a_process(arguments: list[str], elsewhere: bool) -> None:
    assert machines.are_named(arguments) is elsewhere


def test_no_path_stands_alone_on_the_command_line_for_another_machine(tmp_path: Path) -> None:
    line = machines.command_line(["--tx", "ssh=host", "--results", str(tmp_path)])
    assert f"--results={tmp_path}" in line
    assert not any(Path(text).exists() for text in line if text != "testcases")
