"""Every header field of a packet in words, as Scapy prints it."""


def describe(packet: bytes) -> str:
    """Return Scapy's field-by-field description of an IP packet."""
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6

    layer = IP if packet[0] >> 4 == 4 else IPv6
    return str(layer(packet).show(dump=True))
