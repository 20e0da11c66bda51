"""Simulated power cuts.

`kill -9` loses nothing that is in the operating system's cache; a power cut does.

The model: a library (`power.c`, compiled here and loaded into the server by LD_PRELOAD)
records the file's size at each fsync and fdatasync. A power cut is `kill -9`. Then
every file is truncated to its size at the last sync, or to a random size between that
and its end, because the kernel may have written some of the rest. A file that was never
synced may lose all its bytes. Bytes that were there when the server started are on the
disk: the last cut left them.

The model leaves out:

- names: created and renamed files stay so, because the server syncs their directory;
- sectors that are corrupted or written out of order;
- disks that report a write before it is durable.
"""

import os
import random
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("power.c")


class Disk:
    """Tracks the synced size of each file in `folder`.

    The server must be started with `environment`.
    """

    def __init__(self, folder: Path, library: Path) -> None:
        self._folder = folder
        self._sync_log = folder.with_name(folder.name + "-synced")
        self._sizes_at_start: dict[int, int] = {}
        self.environment = {"LD_PRELOAD": str(library), "SYNC_LOG": str(self._sync_log)}

    def start_recording(self) -> None:
        """Must be called just before the server starts."""
        self._sync_log.write_bytes(b"")
        self._sizes_at_start = {path.stat().st_ino: path.stat().st_size for path in self._files()}

    @property
    def has_synced(self) -> bool:
        """Whether the server has synced since its start.

        With everysec this takes a while.
        """
        return self._sync_log.stat().st_size > 0

    def cut(self, rng: random.Random) -> int:
        """Truncates the files of a server that has exited.

        Returns how many bytes were lost.
        """
        synced, lines = dict(self._sizes_at_start), self._sync_log.read_text().splitlines()
        assert lines, "no sync was recorded: is the server linked statically?"
        for line in lines:
            inode, size = map(int, line.split())
            synced[inode] = size
        lost_bytes = 0
        for path in self._files():
            size = path.stat().st_size
            synced_size = min(size, synced.get(path.stat().st_ino, 0))
            kept_size = rng.choice((synced_size, rng.randint(synced_size, size)))
            os.truncate(path, kept_size)
            lost_bytes += size - kept_size
        return lost_bytes

    def _files(self) -> list[Path]:
        return [
            path for path in self._folder.rglob("*") if path.is_file() and not path.is_symlink()
        ]


def compile_library(folder: Path) -> Path:
    """Compiles the library and returns its path."""
    compiler = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    assert compiler, (
        "simulated power cuts need a small C library: install a C compiler "
        "(Debian: apt install gcc)"
    )
    library = folder / "power.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"], check=True
    )
    return library
