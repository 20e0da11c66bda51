"""What subscriptions select of each event: a key, and a limit. Does no I/O."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from graphql import (
    ArgumentNode,
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    print_ast,
)

from gateway.core.callers import CallerKey
from gateway.core.errors import Throttled

SELECTIONS: Final = 100
"""The most different selections in one caller's open subscriptions. Each is executed
once for an event, in 0.3 ms, and other callers wait meanwhile."""


def selection_key(
    variables: Mapping[str, Any] | None,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
) -> bytes:
    """Returns a digest that is equal for operations with the same response to an event.

    It covers the selected fields in their order, with the values of their arguments.
    Names of operations, fragments and variables do not count, nor do spaces and
    comments. Arguments of the root field do not count either: they select the events
    and the start. So a resumed subscription shares responses with one that was not
    resumed.
    """
    selection = _Selection(variables or {}, operation, fragments).encoded()
    return hashlib.sha256(msgspec.json.encode(selection, order="deterministic")).digest()


class _Selection:
    """A selection as nested lists, with its fragments expanded.

    The limits on documents bound its size.
    """

    def __init__(
        self,
        variables: Mapping[str, Any],
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
    ) -> None:
        self._variables = variables
        self._operation = operation
        self._fragments = fragments
        self._defaults = {
            definition.variable.name.value: definition.default_value
            for definition in operation.variable_definitions or ()
        }

    def encoded(self) -> list[Any]:
        operation = self._operation
        return [
            self._directives(operation.directives),
            self._selections(operation.selection_set, is_root=True),
        ]

    def _selections(self, selections: SelectionSetNode | None, *, is_root: bool) -> list[Any]:
        nodes = selections.selections if selections is not None else ()
        return [self._selection(node, is_root=is_root) for node in nodes]

    def _selection(self, node: SelectionNode, *, is_root: bool) -> list[Any]:
        directives = self._directives(node.directives)
        match node:
            case FieldNode():
                return [
                    node.name.value if node.alias is None else node.alias.value,
                    node.name.value,
                    [] if is_root else self._arguments(node.arguments),
                    directives,
                    self._selections(node.selection_set, is_root=False),
                ]
            case FragmentSpreadNode():
                fragment = self._fragments[node.name.value]
                return [
                    fragment.type_condition.name.value,
                    directives,
                    self._directives(fragment.directives),
                    self._selections(fragment.selection_set, is_root=is_root),
                ]
            case InlineFragmentNode():
                condition = node.type_condition
                return [
                    None if condition is None else condition.name.value,
                    directives,
                    [],
                    self._selections(node.selection_set, is_root=is_root),
                ]
            case _:
                raise AssertionError(f"{node.kind} is no selection")

    def _directives(self, directives: tuple[DirectiveNode, ...] | None) -> list[Any]:
        return [
            [directive.name.value, self._arguments(directive.arguments)]
            for directive in directives or ()
        ]

    def _arguments(self, arguments: tuple[ArgumentNode, ...] | None) -> list[Any]:
        return sorted(
            ([argument.name.value, self._value(argument.value)] for argument in arguments or ()),
            key=lambda pair: str(pair[0]),
        )

    def _value(self, node: ValueNode) -> list[Any]:
        """The value, with its kind in front: a text is not equal to a literal."""
        match node:
            case VariableNode():
                name = node.name.value
                if name in self._variables:
                    return ["given", self._variables[name]]
                default = self._defaults.get(name)
                return ["missing"] if default is None else self._value(default)
            case ListValueNode():
                return ["list", [self._value(value) for value in node.values]]
            case ObjectValueNode():
                fields = {field.name.value: self._value(field.value) for field in node.fields}
                return ["object", fields]
            case _:
                return ["literal", print_ast(node)]


class OpenSelections:
    """Limits how many different selections the open subscriptions of a caller have."""

    def __init__(self) -> None:
        self._open: dict[CallerKey, Counter[bytes]] = {}

    @contextmanager
    def enter(self, caller: CallerKey, key: bytes) -> Iterator[None]:
        """Counts the selection while the context is open. Raises Throttled."""
        keys = self._open.setdefault(caller, Counter())
        if key not in keys and len(keys) >= SELECTIONS:
            raise Throttled(
                f"caller has subscriptions with {SELECTIONS} different selections open: "
                "select the same fields in each, or complete some"
            )
        keys[key] += 1
        try:
            yield
        finally:
            keys[key] -= 1
            if not keys[key]:
                del keys[key]
            if not keys:
                self._open.pop(caller, None)
