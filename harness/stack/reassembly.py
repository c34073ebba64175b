"""Text that came before its turn (SHLD-31), and where the peer's FIN stands."""

from harness.spec import seqno


class Reassembly:
    """Pieces of the stream beyond RCV.NXT, in order and without overlap; sequence numbers as on the wire."""

    def __init__(self) -> None:
        self._pieces: list[tuple[int, bytes]] = []
        #: The sequence number of the FIN, once it is known.
        self.fin: int | None = None
        self._latest = 0

    def put(self, seq: int, data: bytes) -> None:
        """Keep a piece; where it overlaps what is there already, the first to come stays."""
        if not data:
            return
        self._latest = seq
        kept: list[tuple[int, bytes]] = []
        for start, old in self._pieces:
            end = seqno.add(start, len(old))
            if data and seqno.lt(seq, start):
                room = seqno.diff(start, seq)
                kept.append((seq, data[:room]))
                seq, data = seqno.add(seq, len(data[:room])), data[room:]
            if data and seqno.lt(seq, end):
                covered = min(seqno.diff(end, seq), len(data))
                seq, data = seqno.add(seq, covered), data[covered:]
            kept.append((start, old))
        if data:
            kept.append((seq, data))
        self._pieces = kept

    def end_at(self, fin: int) -> None:
        """Take note of a FIN; of several, the earliest counts."""
        if self.fin is None or seqno.lt(fin, self.fin):
            self.fin = fin

    def overtake(self, seq: int) -> None:
        """Forget a FIN that stands before `seq`: text in sequence has gone beyond it."""
        if self.fin is not None and seqno.lt(self.fin, seq):
            self.fin = None

    def take(self, rcv_nxt: int) -> bytes:
        """Remove and return what continues the stream at `rcv_nxt`, up to the FIN; nothing behind that is text."""
        parts: list[bytes] = []
        while self._pieces and seqno.leq(self._pieces[0][0], rcv_nxt):
            seq, data = self._pieces.pop(0)
            part = data[seqno.diff(rcv_nxt, seq) :]
            if self.fin is not None:
                part = part[: seqno.diff(self.fin, rcv_nxt)]
            parts.append(part)
            rcv_nxt = seqno.add(rcv_nxt, len(part))
            if rcv_nxt == self.fin:
                self._pieces.clear()
        return b"".join(parts)

    def blocks(self) -> list[tuple[int, int]]:
        """Return the SACK blocks (RFC 2018 §4): left and right edges, the one with the latest piece first."""
        blocks: list[tuple[int, int]] = []
        for seq, data in self._pieces:
            end = seqno.add(seq, len(data))
            if blocks and blocks[-1][1] == seq:
                blocks[-1] = (blocks[-1][0], end)
            else:
                blocks.append((seq, end))
        latest = [block for block in blocks if seqno.leq(block[0], self._latest) and seqno.lt(self._latest, block[1])]
        return latest + [block for block in blocks if block not in latest]

    def clear(self) -> None:
        """Forget everything."""
        self._pieces.clear()
        self.fin = None

    def __len__(self) -> int:
        return sum(len(data) for _seq, data in self._pieces)
