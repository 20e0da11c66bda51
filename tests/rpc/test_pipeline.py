import pytest

from gateway.rpc.calls import CallKind
from gateway.rpc.pipeline import STAGES, Stage, stages_of
from gateway.rpc.stages import identify_caller, report_errors


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.enter.__name__)
def test_a_stage_runs_after_the_stages_it_needs(stage: Stage) -> None:
    earlier = STAGES[: STAGES.index(stage)]
    assert set(stage.after) <= {other.enter for other in earlier}
    # The needed stage runs for every call that this stage runs for, unless that has no
    # caller.
    for other in earlier:
        if other.enter in stage.after:
            assert set(stage.kinds) <= set(other.kinds)


@pytest.mark.parametrize("kind", CallKind)
def test_errors_of_every_call_are_reported(kind: CallKind) -> None:
    assert stages_of(kind, False)[0] is stages_of(kind, True)[0] is report_errors


@pytest.mark.parametrize("kind", CallKind)
def test_only_public_methods_skip_authentication(kind: CallKind) -> None:
    assert identify_caller in stages_of(kind, False)
    assert identify_caller not in stages_of(kind, True)
