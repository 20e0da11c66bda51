"""`python -m tests.faults.soak_process serve …`: the gateway as the soak runs it.

It differs from the gateway in two points:

- At each SIGUSR1 it writes to the file that SOAK_STATE_FILE names what /proc does not
  show: the number of asyncio tasks and of Python objects.
- Its caches are small. All caches are bounded, but at their real size (10,000 rooms,
  50,000 entries) they grow for days, which looks like a leak. Small ones are full
  within minutes.
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
from gateway.service.streams.encoded import EncodedMessages

ENTRIES = 200
RING_ENTRIES = 500
MEMORY_BYTES = 200_000


def shrink_caches() -> None:
    room_book.ENDED_LIMIT = ENTRIES  # type: ignore[misc]  # a constant
    wiring.build_account = partial(
        wiring.build_account,
        timings=wiring.AccountTimings(
            log=LogTimings(ring_entries=RING_ENTRIES, marks=ENTRIES),
            cache=CacheTimings(memory_bytes=MEMORY_BYTES, counted_keys=ENTRIES),
        ),
    )
    defaults = EncodedMessages.__init__.__kwdefaults__
    assert defaults is not None
    defaults["count"] = ENTRIES


def write_state(_: int, __: FrameType | None) -> None:
    state = {"tasks": len(asyncio.all_tasks()), "objects": len(gc.get_objects())}
    path = Path(os.environ["SOAK_STATE_FILE"])
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(state))
    draft.replace(path)


if __name__ == "__main__":
    shrink_caches()
    signal.signal(signal.SIGUSR1, write_state)
    main()
