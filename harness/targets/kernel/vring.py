"""One split virtqueue (virtio 1.1 §2.6), as the device sees it, in the guest's memory."""

import mmap
import struct
from dataclasses import dataclass

_DESCRIPTOR = struct.Struct("<QIHH")
_INDEX = struct.Struct("<H")
_USED = struct.Struct("<II")
DESC_F_NEXT = 1


@dataclass(frozen=True, slots=True)
class Region:
    """Part of the guest's memory: `size` octets from the guest's address `start`, at `offset` of the mapping."""

    start: int
    size: int
    offset: int
    memory: mmap.mmap


class Vring:
    """A queue of `size` descriptors; addresses are the guest's."""

    def __init__(self) -> None:
        self.size = 0
        self.descriptors = self.used = self.available = 0
        self._taken = self._given = 0

    def put(self, regions: list[Region], data: bytes) -> bool:
        """Write `data` into the next buffer that the guest offers; False if it offers none."""
        head = self._take(regions)
        if head is None:
            return False
        rest = memoryview(data)
        for address, length in self._chain(regions, head):
            memory, at = _find(regions, address)
            part = rest[:length]
            memory[at : at + len(part)] = part
            rest = rest[len(part) :]
        self._give(regions, head, len(data))
        return True

    def get(self, regions: list[Region]) -> bytes | None:
        """Return what the next buffer of the guest holds, None if there is none."""
        head = self._take(regions)
        if head is None:
            return None
        parts = []
        for address, length in self._chain(regions, head):
            memory, at = _find(regions, address)
            parts.append(memory[at : at + length])
        self._give(regions, head, 0)
        return b"".join(parts)

    def _take(self, regions: list[Region]) -> int | None:
        memory, at = _find(regions, self.available)
        if self._taken == _INDEX.unpack_from(memory, at + 2)[0]:
            return None
        head = int(_INDEX.unpack_from(memory, at + 4 + 2 * (self._taken % self.size))[0])
        self._taken = (self._taken + 1) & 0xFFFF
        return head

    def _chain(self, regions: list[Region], head: int) -> list[tuple[int, int]]:
        memory, at = _find(regions, self.descriptors)
        found = []
        flags, index = DESC_F_NEXT, head
        while flags & DESC_F_NEXT:
            address, length, flags, following = _DESCRIPTOR.unpack_from(memory, at + 16 * index)
            found.append((address, length))
            index = following
        return found

    def _give(self, regions: list[Region], head: int, length: int) -> None:
        memory, at = _find(regions, self.used)
        _USED.pack_into(memory, at + 4 + 8 * (self._given % self.size), head, length)
        self._given = (self._given + 1) & 0xFFFF
        _INDEX.pack_into(memory, at + 2, self._given)


def _find(regions: list[Region], address: int) -> tuple[mmap.mmap, int]:
    for region in regions:
        if region.start <= address < region.start + region.size:
            return region.memory, address - region.start + region.offset
    raise ValueError(f"the guest names the address {address:#x}, which is not in its memory")
