"""Keeps garbage collection from delaying the process that measures."""

import gc
from collections.abc import Iterator

import pytest

from gateway.app import process_memory


@pytest.fixture(autouse=True)
def _no_long_collections(request: pytest.FixtureRequest) -> Iterator[None]:
    """Freezes all objects that exist before a long test.

    A full collection of all imported modules takes longer than most of the times that
    are measured here.
    """
    if request.node.get_closest_marker("long") is None:
        yield
        return
    before = gc.get_threshold()
    process_memory.freeze_startup_objects()
    process_memory.shorten_collections()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()
