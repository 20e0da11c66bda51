"""Power cuts, simulated: `kill -9` alone loses nothing that lies in the operating system's cache, a power cut does.

The model. A library (`power.c`, compiled here and loaded into the server by LD_PRELOAD) notes at each fsync and fdatasync how
long the file was. A cut is `kill -9`; then every file is cut back to what it was known to hold at its last sync, or to a random
place between that and its end, for the kernel may have written some of the rest by itself. A file that was never synced may
lose all of it. What was there when the server started is on the disk, as the last cut left it there.

What the model leaves out: names (what was created or renamed stays so; the server syncs its directory after that), sectors that
are garbled or written out of order, and disks that lie about having written.
"""

import os
import random
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("power.c")


class Disk:
    """What of the files in `folder` is on the disk for sure. Start the server with `environment`."""

    def __init__(self, folder: Path, library: Path) -> None:
        self._folder = folder
        self._notes = folder.with_name(folder.name + "-synced")
        self._there: dict[int, int] = {}
        self.environment = {"LD_PRELOAD": str(library), "SYNCED_NOTES": str(self._notes)}

    def begin(self) -> None:
        """Just before the server starts."""
        self._notes.write_bytes(b"")
        self._there = {path.stat().st_ino: path.stat().st_size for path in self._files()}

    @property
    def has_synced(self) -> bool:
        """Whether the server has asked for a sync since it began; with everysec the first takes a while."""
        return self._notes.stat().st_size > 0

    def cut(self, rng: random.Random) -> int:
        """Once the server is dead: the files as the next start finds them. How many bytes were lost."""
        synced, lines = dict(self._there), self._notes.read_text().splitlines()
        assert lines, "not one sync was seen: is the server linked statically?"
        for line in lines:
            inode, size = map(int, line.split())
            synced[inode] = size
        lost = 0
        for path in self._files():
            size = path.stat().st_size
            certain = min(size, synced.get(path.stat().st_ino, 0))
            kept = rng.choice((certain, rng.randint(certain, size)))
            os.truncate(path, kept)
            lost += size - kept
        return lost

    def _files(self) -> list[Path]:
        return [
            path for path in self._folder.rglob("*") if path.is_file() and not path.is_symlink()
        ]


def compiled(folder: Path) -> Path:
    """The library that watches. Fails with a sentence where there is no C compiler."""
    compiler = next(
        (found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None
    )
    assert compiler, (
        "a power cut is simulated by a small library in C: install a C compiler (Debian: apt install gcc)"
    )
    library = folder / "power.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"], check=True
    )
    return library
