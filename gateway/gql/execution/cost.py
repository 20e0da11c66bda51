"""The most points that an operation can cost. Does no I/O.

Pages multiply, so a short document can request a million objects. The cost is counted
before the operation runs, from the requested page sizes, as if each page were full. The
same operation is therefore always accepted or always rejected, whatever a cache holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
)

from gateway.core.errors import InvalidArgument
from gateway.core.paging import PAGE_LIMIT
from gateway.gql.execution.graphql_core import resolver_metadata
from gateway.service.callers.charge import FETCH_COST

# An operation that selects nothing else can fetch 200 times.
MAX_COST = 5_000
# The price of a rejected document. The gateway has parsed it for nothing: 2 ms for most
# documents, 9 ms for the worst.
REJECTED_COST = 100
DEFAULT_PAGE_SIZE = 50
"""The size of a page whose `first` is left out, as the schema declares it."""

_PAGE_ARGUMENTS = {"first", "ids"}


def check_cost(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
) -> int:
    """The most points that the operation can cost; for a subscription, per event.

    Raises InvalidArgument for more than MAX_COST.
    """
    root = schema.get_root_type(operation.operation)
    assert root is not None
    cost = _CostCounter(schema, fragments, variables).of_selections(
        operation.selection_set, root.name, 1
    )
    if cost > MAX_COST:
        raise InvalidArgument(
            f"the operation costs up to {cost} points and the limit is {MAX_COST}: request smaller "
            f"pages with first (an object on a page costs 1, a field that fetches {FETCH_COST})"
        )
    return cost


def count_objects(data: object) -> int:
    """The number of objects on the pages and in the lists of a response."""
    count, pending = 0, [data]
    while pending:
        match pending.pop():
            case dict() as selected:
                pending += [value for value in selected.values() if isinstance(value, dict | list)]
            case list() as items:
                objects = [item for item in items if isinstance(item, dict)]
                count += len(objects)
                pending += objects
    return count


@dataclass(frozen=True, slots=True)
class _CostCounter:
    """`times` is how many objects of a type the selections apply to."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]

    def of_selections(self, selections: SelectionSetNode, type_: str, times: int) -> int:
        # This ends: validation has rejected documents whose fragments form a cycle.
        return sum(
            self._of_selection(selection, type_, times) for selection in selections.selections
        )

    def _of_selection(self, selection: object, type_: str, times: int) -> int:
        match selection:
            case FieldNode():
                return self._of_field(selection, type_, times)
            case InlineFragmentNode(type_condition=condition, selection_set=nested):
                inner_type = type_ if condition is None else condition.name.value
                return self.of_selections(nested, inner_type, times)
            case FragmentSpreadNode():
                fragment = self.fragments[selection.name.value]
                return self.of_selections(
                    fragment.selection_set, fragment.type_condition.name.value, times
                )
            case _:
                return 0

    def _of_field(self, node: FieldNode, type_: str, times: int) -> int:
        fields = getattr(self.schema.type_map[type_], "fields", {})
        field: GraphQLField | None = fields.get(node.name.value)
        if field is None:  # introspection, which limits of its own bound
            return 0
        cost = times * _fetch_cost(field)
        if _PAGE_ARGUMENTS & field.args.keys():
            size = self._page_size(node)
            if "ids" in field.args:
                cost *= size  # each id is one fetch
            times *= size
            cost += times
        if node.selection_set is not None:
            cost += self.of_selections(node.selection_set, get_named_type(field.type).name, times)
        return cost

    def _page_size(self, node: FieldNode) -> int:
        values = [
            argument.value
            for argument in node.arguments or ()
            if argument.name.value in _PAGE_ARGUMENTS
        ]
        size = self._number(values[0]) if values else DEFAULT_PAGE_SIZE
        return min(max(1, size), PAGE_LIMIT)

    def _number(self, value: ValueNode) -> int:
        match value:
            case VariableNode():
                given = self.variables.get(value.name.value, DEFAULT_PAGE_SIZE)
                if isinstance(given, list):
                    return len(given)
                return given if isinstance(given, int) else 1
            case IntValueNode():
                return int(value.value)
            case ListValueNode():
                return len(value.values)
            case _:
                return 1


def _fetch_cost(field: GraphQLField) -> int:
    metadata = resolver_metadata(field)
    if metadata is None:
        return 0
    return 1 if metadata.get("is_shared") else FETCH_COST
