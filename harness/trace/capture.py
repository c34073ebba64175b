"""The capture of one case: its packets with a comment on each, naming the step and the segment in relative numbers."""

import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.trace.events import Event, Kind
from harness.trace.pcapng import LINKTYPE_RAW, PcapngWriter

#: A file system's limit is 255 octets, of which the writer takes some; and what is kept of a name that is longer.
LONGEST_NAME, LONGEST_CASE, SHOWN_TARGET = 200, 150, 40


def file_name(record: dict[str, Any]) -> str:
    """Return the name of a case's capture: no character that a shell or a file system minds, and not too many.

    Of a target that is a long command line, a checksum stands for its end.
    """
    case, target = str(record["id"]), str(record["target"])
    if len(case) + len(target) > LONGEST_NAME:
        case, target = case[:LONGEST_CASE], f"{target[:SHOWN_TARGET]}_{zlib.crc32((case + target).encode()):08x}"
    name = f"{case}-{target}-ipv{record['ip']}"
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("_") + ".pcapng"


def write_capture(folder: Path, record: dict[str, Any], events: Sequence[Event], facts: dict[str, Any]) -> Path:
    """Write the packets among `events`; return the file's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name(record)
    comment = json.dumps({"case": record["id"], "verdict": record["verdict"], "target": facts}, ensure_ascii=False)
    with PcapngWriter(path, link_type=LINKTYPE_RAW, comment=comment, application="tcpspec") as writer:
        for event in events:
            if event.packet:
                outbound = event.kind is not Kind.RECEIVED
                sender = "peer" if outbound else "target"
                words = " ".join(filter(None, (f"{sender}: {event.notation()}", str(event.mark), f"[{event.step}]")))
                writer.packet(event.time_ns, event.packet, comment=words, outbound=outbound)
    return path
