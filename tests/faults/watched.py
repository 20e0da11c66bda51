"""`python -m tests.faults.watched serve …`: the gateway's command line, in a process that a soak can look into.

At each SIGUSR1 it writes to the file named by SOAK_TOLD what /proc cannot tell: how many asyncio tasks there are, and how many
Python objects. Nothing else differs from the gateway, but that its memories are small: they are bounded
by design, and at their real size (10,000 rooms, 50,000 marks) they would grow for days before anybody could tell a leak from
them. So a leak shows in minutes.
"""

import asyncio
import gc
import json
import os
import signal
from functools import partial
from pathlib import Path
from types import FrameType

from gateway.app import wiring
from gateway.cli.main import main
from gateway.core.room_state import room_book
from gateway.service.cache.timings import CacheTimings
from gateway.service.log.timings import LogTimings
from gateway.service.streams import encoded as sharing

MARKS = 200
RING = 500
BYTES = 200_000


def make_small() -> None:
    room_book.ENDED_LIMIT = MARKS
    wiring.build_account = partial(
        wiring.build_account,
        timings=wiring.AccountTimings(
            log=LogTimings(ring_entries=RING, marks=MARKS),
            cache=CacheTimings(memory_bytes=BYTES, counted_keys=MARKS),
        ),
    )
    sharing.EncodedMessages.__init__.__kwdefaults__["count"] = MARKS


def tell(_: int, __: FrameType | None) -> None:
    told = {"tasks": len(asyncio.all_tasks()), "objects": len(gc.get_objects())}
    path = Path(os.environ["SOAK_TOLD"])
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(told))
    draft.replace(path)


if __name__ == "__main__":
    make_small()
    signal.signal(signal.SIGUSR1, tell)
    main()
