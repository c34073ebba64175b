"""The ports of connections: where a target listens on one port only, each connection has a port of the peer's own."""

from harness.case.rig import Rig
from harness.case.target_side import TargetSide
from harness.targets.reference.target import ReferenceTarget


def peers_ports(*, one_port: bool) -> list[int]:
    """Return the peer's ports of two conversations, the second with three connections beside its own."""
    target = ReferenceTarget()
    target.facts.one_port = one_port
    rig = Rig(target)
    found = [rig.begin(4).main.tuple4.peer_port]
    main = rig.begin(4).main
    side = TargetSide(main)
    found += [
        main.tuple4.peer_port,
        *(side.beside()[0].conversation.connections[-1].tuple4.peer_port for _ in range(2)),
    ]
    found.append(side.beside(peer_port=main.tuple4.peer_port + 1)[0].conversation.connections[-1].tuple4.peer_port)
    rig.discard()
    rig.close()
    return found


def test_on_one_port_of_the_target_no_two_connections_come_from_the_same_port() -> None:
    ports = peers_ports(one_port=True)
    assert len(set(ports)) == len(ports) == 5


def test_where_each_case_has_a_port_of_the_target_neighbours_are_near() -> None:
    first, own, *others = peers_ports(one_port=False)
    assert first == own
    assert others == [own + 1, own + 2, own + 1]
