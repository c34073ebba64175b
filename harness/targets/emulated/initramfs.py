"""The file system that a kernel boots into: this machine's Python with the agent, and nothing else (cpio, "newc").

No program is built or fetched for it: the files are those that a Python here has open with the agent loaded.
"""

import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from harness.agent.boot import MODULE_FOLDER
from harness.agent.server import PROGRAM_PATH
from harness.targets.protocol import UnusableTarget

_PARENT = str(Path(__file__).resolve().parents[3])
_INIT = """#!{python} -IS
import sys
sys.path.insert(0, {parent!r})
{program}
"""
#: What the guest's first process does: it is the agent.
AGENT = "from harness.agent import guest\nguest.main()"
#: The files of all that a guest imports, and of what a call may import later.
_LOADED = """
import sys
sys.path.insert(0, {parent!r})
import json, termios, tty, harness.agent.guest, harness.agent.lines, encodings.idna, encodings.latin_1, encodings.ascii
print(json.dumps([f for m in list(sys.modules.values()) if (f := getattr(m, "__file__", None))]))
"""
_LIBRARY = re.compile(r"(/\S+) \(0x")


def build(modules: Iterable[Path], program: str = AGENT) -> bytes:
    """Return an archive with a program of `harness.agent` as init, and the kernel's modules; raises UnusableTarget."""
    python = os.path.realpath(sys.executable)
    needed = _needed(python)
    files = {path: Path(path).read_bytes() for path in needed}
    files |= {f"{MODULE_FOLDER}/{module.name}": module.read_bytes() for module in modules}
    files["/init"] = _INIT.format(python=python, parent=_PARENT, program=program).encode()
    folders = {str(parent) for path in files for parent in Path(path).parents} | {"/proc", "/sys", "/dev", "/tmp"}
    entries = [_entry(folder, stat.S_IFDIR | 0o755, b"") for folder in sorted(folders - {"/"})]
    # A compiled module counts if it names the time of its source.
    times = {path: int(os.stat(path).st_mtime) for path in needed}
    entries += [_entry(path, stat.S_IFREG | 0o755, octets, times.get(path, 0)) for path, octets in files.items()]
    return b"".join([*entries, _entry("/TRAILER!!!", 0, b"")])


def _needed(python: str) -> set[str]:
    """Return the paths of the interpreter, all that it loads, and `ss` if there is one."""
    try:
        code = _LOADED.format(parent=_PARENT)
        loaded = json.loads(subprocess.run([python, "-IS", "-c", code], capture_output=True, check=True).stdout)
        programs = [python, *(name for name in loaded if name.endswith(".so"))]
        if ss := shutil.which("ss", path=PROGRAM_PATH):
            programs.append(ss)
        shown = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise UnusableTarget(f"this machine's python can't be packed for the guest: {error}") from None
    compiled = (importlib.util.cache_from_source(name) for name in loaded if name.endswith(".py"))
    return {*loaded, *programs, *_LIBRARY.findall(shown), *filter(os.path.isfile, compiled)}


def _entry(path: str, mode: int, octets: bytes, time_s: int = 0) -> bytes:
    """Return a file of the archive (Documentation/driver-api/early-userspace/buffer-format.rst in the kernel)."""
    name = path.lstrip("/").encode() + b"\0"
    fields = (0, mode, 0, 0, 1, time_s, len(octets), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return head + bytes(-len(head) % 4) + octets + bytes(-len(octets) % 4)
