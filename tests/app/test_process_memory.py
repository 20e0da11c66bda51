import gc
from collections.abc import Iterator

import pytest

from gateway.app.process_memory import (
    COLLECTION_THRESHOLDS,
    freeze_startup_objects,
    shorten_collections,
)


@pytest.fixture(autouse=True)
def _restore_collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_shorten_collections_sets_the_thresholds() -> None:
    shorten_collections()
    assert gc.get_threshold() == COLLECTION_THRESHOLDS


def test_frozen_objects_are_not_collected_and_later_ones_are() -> None:
    early = [object()]
    freeze_startup_objects()
    assert gc.get_freeze_count() > 0
    assert not any(item is early for item in gc.get_objects())
    late = [early]
    assert any(item is late for item in gc.get_objects())
