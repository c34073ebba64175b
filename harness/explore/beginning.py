"""How a connection of a conversation begins: its two ends, its numbers, and what the target is told about it."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Protocol

from harness.case.connection import Connection
from harness.case.conversation import Conversation
from harness.case.rig import FIRST_PEER_PORT, Rig
from harness.explore.application import Application
from harness.explore.link import SALT, Link, PeerView
from harness.explore.plan import Plan
from harness.spec.history.history import History, Spending
from harness.spec.history.pace import Pace
from harness.spec.history.world import PERIOD, Traits
from harness.spec.policy import Policy
from harness.targets.protocol import Adjustable, Capability

#: The stack whose own numbers can be chosen, and its settings for that. Its timestamps are milliseconds of its clock.
REFERENCE = "reference"
OWN_ISS, OWN_STAMPS = "reference.iss", "reference.timestamp_offset"
MS = 1_000_000
ACK_DELAY = "reference.delayed_ack"
#: The setting of the range that ports are chosen from.
PORT_RANGE = "net.ipv4.ip_local_port_range"


class Company(Protocol):
    """What the connections of one conversation share."""

    rig: Rig
    version: int
    conversation: Conversation
    policies: frozenset[Policy]
    traits: Traits
    spending: Spending | None
    pace: Pace
    application: Application
    all_links: dict[int, Link]
    plan: Plan
    chosen: ExitStack
    salt: int


def begin(talk: Company, number: int, traits: Sequence[str]) -> Link:
    """Return a connection that has begun, with the number and the traits (`harness.explore.plan`) that a plan gives."""
    like = {name: value for name, _equals, value in (trait.partition("=") for trait in traits)}
    connection = _connection(talk, number, like)
    salt = (talk.salt + number * SALT) % PERIOD
    now = talk.rig.target.clock.now_ns()
    history = History(
        policies=talk.policies,
        traits=talk.traits,
        own_salt=salt,
        peer_salt=salt + 5,
        now=now,
        spending=talk.spending,
        pace=talk.pace,
    )
    view = PeerView(salt=salt + 5)
    view.last_tsval = int(like.get("tsval", view.last_tsval))
    if "offer" in like:
        view.offer = tuple("t+0" if token == "t" else token for token in like["offer"].split("."))
    view.usual_window = int(like.get("window", view.usual_window))
    _choose(talk, like)
    link = Link(number, connection, history, view, salt + 5, like.get("form", ""))
    link.any_address, link.any_port = "any-address" in like, "any-port" in like
    if talk.application.has_listener(link):
        view.listening = True
        history.listens(True)
    link.number_chosen = any(trait.startswith("own-iss") for move in talk.plan for trait in move.like)
    return link


def _connection(talk: Company, number: int, like: dict[str, str]) -> Connection:
    conversation, first = talk.conversation, _first(talk)
    iss = int(like["iss"]) & 0xFFFFFFFF if "iss" in like else None
    other = "other-ip" in like and first is not None and Capability.IPV6 in talk.rig.target.capabilities
    addresses = talk.rig.target.addresses({4: 6, 6: 4}[talk.version] if other else talk.version)
    address = addresses.target[-1] if "address" in like else addresses.target[0] if other else None
    if first is None:
        connection = conversation.main
        if iss is not None:
            connection.peer_iss = iss
        if "turned" in like:  # ports that no other conversation uses, either way round
            return conversation.connect_peer(peer_port=talk.rig.fresh_ports()[0], target_address=address, iss=iss)
        return conversation.connect_peer(target_address=address, iss=iss) if address else connection
    here = first.connection.tuple4
    if not {"same-port", "apart", "peer", "turned"} & like.keys():
        peer = addresses.peer[0] if other else None
        return conversation.connect_peer(target_address=address, peer_address=peer, iss=iss)
    # The rig's own peer ports go down from the first one, so those above are free.
    peer_port = here.peer_port + int(like.get("apart", 0)) if {"apart", "peer"} & like.keys() else None
    if "turned" in like:
        port, peer_port = here.peer_port, here.port
    else:
        port = here.port
    return conversation.connect_peer(
        port=port,
        peer_port=FIRST_PEER_PORT + number if peer_port is None else peer_port,
        target_address=address or here.address,
        peer_address=addresses.peer[-1] if "peer" in like else addresses.peer[0] if other else None,
        iss=iss,
    )


def _first(talk: Company) -> Link | None:
    return talk.all_links.get(1) or next(iter(talk.all_links.values()), None)


def _choose(talk: Company, like: dict[str, str]) -> None:
    """Have the target begin with the numbers that are asked for, if it lets them be chosen."""
    target = talk.rig.target
    if not isinstance(target, Adjustable) or Capability.SETTINGS not in target.capabilities:
        return
    is_reference = target.facts.implementation == REFERENCE
    if "own-iss" in like and is_reference:
        talk.chosen.enter_context(target.setting(OWN_ISS, str(int(like["own-iss"]) & 0xFFFFFFFF)))
    if "own-tsval" in like and is_reference:
        offset = int(like["own-tsval"]) - target.clock.now_ns() // MS
        talk.chosen.enter_context(target.setting(OWN_STAMPS, str(offset & 0xFFFFFFFF)))
    if "delay" in like and is_reference:
        talk.chosen.enter_context(target.setting(ACK_DELAY, like["delay"]))
    if "ports" in like:
        count = int(like["ports"])
        ports = [talk.rig.fresh_ports()[0] for _each in range(count)]
        if ports[-1] < ports[0]:
            ports = [talk.rig.fresh_ports()[0] for _each in range(count)]
        talk.chosen.enter_context(target.setting(PORT_RANGE, f"{ports[0]} {ports[-1]}"))
        talk.application.choices = count
