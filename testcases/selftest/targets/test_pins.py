"""Settings of a namespace that others feel too."""

import platform

import pytest

from harness.targets.namespace import pins
from harness.targets.namespace.target import LinuxTarget
from harness.targets.protocol import NotOffered


@pytest.mark.parametrize(
    ("release", "felt"),
    [
        ("5.10.46", True),
        ("5.15.0-91-generic", True),
        ("6.0.19", True),
        ("6.1.4", False),
        ("6.12.95+deb13", False),
    ],
)
def test_challenges_were_counted_for_the_whole_machine_before_6_1(release: str, felt: bool) -> None:
    assert pins.outlasts_its_namespace(pins.CHALLENGE_LIMIT, release) is felt
    assert not pins.outlasts_its_namespace("net.ipv4.tcp_invalid_ratelimit", release)


def test_a_limit_that_the_whole_machine_would_feel_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    target = LinuxTarget()
    try:
        before = target.pod.read_sysctl(pins.CHALLENGE_LIMIT)
        monkeypatch.setattr(platform, "release", lambda: "5.15.0-91-generic")
        with pytest.raises(NotOffered, match="of the whole machine"), target.setting("tcp_challenge_ack_limit", "1"):
            pass
        assert target.pod.read_sysctl(pins.CHALLENGE_LIMIT) == before
    finally:
        target.close()
