"""Settings of Python's garbage collector for a process that runs for weeks.

Every other thread and task waits while the collector runs. A full collection takes
about 1 µs per object, so 40 ms and more for all that the caches hold. Requests leave
few reference cycles, so the collector finds little.

https://docs.python.org/3/library/gc.html
"""

import gc

# A collection looks at 200 young objects, every second one also at the generation
# above, and a full collection happens after 200 × 2 × 1,750 new objects. Larger steps
# make changes wait beside lists: with 2,000 young objects P14 failed in the one run
# made. Rejected documents leave about 400 objects each, graphql-core's own. With small
# steps these wait for a full collection.
COLLECTION_THRESHOLDS = (200, 2, 1_750)


def shorten_collections() -> None:
    """Makes the collector run often and look at few objects at a time."""
    gc.set_threshold(*COLLECTION_THRESHOLDS)


def freeze_startup_objects() -> None:
    """Excludes every object that exists now from all later collections.

    Call it once, when the start is complete: modules, schemas and settings stay until
    the process ends, and no collection needs to look at them again.
    """
    gc.collect()
    gc.freeze()
