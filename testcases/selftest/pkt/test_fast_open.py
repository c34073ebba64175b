"""Fast Open's cookies are computed as Linux does it, so that scripts with their names can be played at any address."""

import pytest

from harness.pkt.fast_open import KEYS, cookie, resolved, siphash
from harness.pkt.tree import TcpOption


def test_siphash_gives_the_example_of_its_authors() -> None:
    assert siphash(bytes(range(16)), bytes(range(15))) == 0xA129CA6149BE45E5


@pytest.mark.parametrize(
    ("name", "peer", "address", "octets"),
    [
        ("TFO_COOKIE", "192.0.2.1", "192.168.0.1", "3021b9d889017eeb"),
        ("TFO_COOKIE_ZERO", "192.0.2.1", "192.168.0.1", "b7c12350a90dc8f5"),
        ("TFO_COOKIE", "fd3d:fa7b:d17d::1", "fd3d:a0b:17d6::1", "c1d1e9742a47a9bc"),
        ("TFO_COOKIE_ZERO", "fd3d:fa7b:d17d::1", "fd3d:a0b:17d6::1", "82af1a8f9a205c34"),
    ],
)
def test_a_cookie_is_what_the_kernel_gives(name: str, peer: str, address: str, octets: str) -> None:
    assert cookie(KEYS[name], peer, address).hex() == octets


def test_the_name_of_a_cookie_is_replaced_and_no_other_name() -> None:
    named, other = TcpOption("FO", (-1,), symbol="TFO_COOKIE"), TcpOption("FO", (-1,), symbol="MY_COOKIE")
    first, second = resolved((named, other), "192.0.2.1", "192.168.0.1")
    assert (first.octets, second) == (bytes.fromhex("3021b9d889017eeb"), other)


def test_the_octets_of_a_cookie_for_the_addresses_of_the_script_are_replaced_and_no_others() -> None:
    written, here = ("192.0.2.1", "192.168.0.1"), ("198.51.100.2", "198.51.100.1")
    known, other = bytes.fromhex("3021b9d889017eeb"), bytes.fromhex("aaaaaaaaaaaaaaaa")
    for name in ("FO", "FOEXP"):
        first, second = resolved((TcpOption(name, (), known), TcpOption(name, (), other)), *here, written)
        assert (first.octets, second.octets) == (cookie(KEYS["TFO_COOKIE"], *here), other)
    (kept,) = resolved((TcpOption("FO", (), known),), *here, ("192.0.2.9", "192.168.0.1"))
    assert kept.octets == known
    (kept,) = resolved((TcpOption("kind", (253,), known),), *here, written)
    assert kept.octets == known
