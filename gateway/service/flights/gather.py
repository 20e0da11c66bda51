"""Running several calls at once, where one may fail without the others."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from gateway.core.errors import GatewayError

T = TypeVar("T")


async def gather_outcomes(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T | GatewayError]:
    """Runs all calls at the same time and returns their outcomes in the order of the
    calls.

    A GatewayError is the outcome of its call alone. Any other exception cancels the
    other calls and is raised in an ExceptionGroup.
    """

    async def outcome(call: Coroutine[Any, Any, T]) -> T | GatewayError:
        try:
            return await call
        except GatewayError as exc:
            return exc

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(outcome(call)) for call in calls]
    return [task.result() for task in tasks]
