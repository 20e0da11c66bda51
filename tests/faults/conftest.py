"""Who measures others must not be held up himself."""

import gc
from collections.abc import Iterator

import pytest

from gateway.app import process_memory


@pytest.fixture(autouse=True)
def _no_long_collections(request: pytest.FixtureRequest) -> Iterator[None]:
    """A full collection of all that a session has imported takes longer than most of what is timed here."""
    if request.node.get_closest_marker("long") is None:
        yield
        return
    before = gc.get_threshold()
    process_memory.freeze_startup_objects()
    process_memory.shorten_collections()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()
