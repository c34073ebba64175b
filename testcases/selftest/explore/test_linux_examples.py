"""Every entry about conversations on Linux shows what it declares, on each kernel that is built here."""

from collections.abc import Sequence

import pytest

from harness.explore.playing import Player, Stage
from harness.explore.run import in_virtual_time
from harness.targets.kernel import build, kernels
from harness.targets.registry import parse


def _names() -> Sequence[str]:
    """Return a target for each release in the cache, and the machine's own kernel."""
    built = {entry.name for entry, _program in kernels.all_built(build.kernels_folder()) if not entry.suffix}
    return ["linux", *(f"kernel:{name}" for name in sorted(built))]


@pytest.mark.slow
@pytest.mark.parametrize("ip", [4, 6])
@pytest.mark.parametrize("name", _names())
def test_the_example_of_each_entry_shows_it(name: str, ip: int) -> None:
    player = Player(Stage(parse(name), ip))
    try:
        fast = in_virtual_time(player.rig.target)
        due = [example for example in player.declared.unmet(()) if fast or not example.slow]
        records = player.play(due)
    finally:
        player.close()
    assert len(records) >= 20
    gone = {record["id"]: record.get("reason") for record in records if record["verdict"] != "known deviation"}
    assert not gone
