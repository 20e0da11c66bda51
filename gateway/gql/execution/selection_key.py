"""A key for subscriptions that select the same of each event. Does no I/O."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from graphql import FieldNode, FragmentDefinitionNode, Node, OperationDefinitionNode, VariableNode


def selection_key(
    query: str,
    variables: Mapping[str, Any] | None,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
) -> bytes:
    """Returns a digest that is equal for operations with the same response to an event.

    Variables that only arguments of the root field use do not count: those arguments
    select the events and the start. So a resumed subscription shares responses with one
    that was not resumed, if `after` is a variable. The text of the query counts as a
    whole.
    """
    names = set(_variables_of_selection(operation, fragments))
    used = {name: value for name, value in (variables or {}).items() if name in names}
    name = operation.name.value if operation.name else None
    return hashlib.sha256(msgspec.json.encode((query, name, used), order="deterministic")).digest()


def _variables_of_selection(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> Iterator[str]:
    pending: list[object] = [operation.directives, *fragments.values()]
    for root in operation.selection_set.selections:
        pending += (root.directives, root.selection_set) if isinstance(root, FieldNode) else (root,)
    while pending:
        node = pending.pop()
        if isinstance(node, VariableNode):
            yield node.name.value
        elif isinstance(node, Node):
            pending += (getattr(node, key) for key in node.keys)
        elif isinstance(node, tuple):
            pending += node
