"""What an operation may cost at most: pages multiply, so a short document can ask for a million objects. Does no I/O.

Counted before anything runs, from the sizes of the pages asked for, as if each were full: the same operation is always
allowed or always refused, whatever is in a cache.
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
from strawberry.schema.schema_converter import GraphQLCoreConverter

from gateway.core.errors import InvalidArgument
from gateway.core.paging import PAGE_LIMIT
from gateway.service.callers.points import FETCH

# 200 fetches, with nothing else, are the most that an operation can ask for.
LIMIT = 5_000
# What a document costs that is refused: it was read in vain, the worst of them in 9 ms and most in 2.
REFUSED = 100
PAGE = 50
"""The size of a page whose `first` is left out."""

_PAGED = {"first", "ids"}


def check_cost(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
) -> int:
    """Up to how many points it costs. Raises InvalidArgument. Of a subscription, each event counts for itself."""
    root = schema.get_root_type(operation.operation)
    assert root is not None
    cost = _Count(schema, fragments, variables).of(operation.selection_set, root.name, 1)
    if cost > LIMIT:
        raise InvalidArgument(
            f"the operation costs up to {cost}: 1 for each object on a page, {FETCH} for each field that fetches; "
            f"up to {LIMIT} are allowed: ask for smaller pages with first"
        )
    return cost


def objects_of(data: object) -> int:
    """How many objects an answer shows on its pages and in its lists."""
    count, waiting = 0, [data]
    while waiting:
        match waiting.pop():
            case dict() as shown:
                waiting += [below for below in shown.values() if isinstance(below, dict | list)]
            case list() as items:
                objects = [item for item in items if isinstance(item, dict)]
                count += len(objects)
                waiting += objects
    return count


@dataclass(frozen=True, slots=True)
class _Count:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]

    def of(self, selections: SelectionSetNode, type_: str, times: int) -> int:
        """Of what is selected on so many objects of a type. Ends, for the document was found to be without cycles."""
        return sum(self._of_one(selection, type_, times) for selection in selections.selections)

    def _of_one(self, selection: object, type_: str, times: int) -> int:
        match selection:
            case FieldNode():
                return self._of_field(selection, type_, times)
            case InlineFragmentNode(type_condition=condition, selection_set=below):
                return self.of(below, type_ if condition is None else condition.name.value, times)
            case FragmentSpreadNode():
                fragment = self.fragments[selection.name.value]
                return self.of(fragment.selection_set, fragment.type_condition.name.value, times)
            case _:
                return 0

    def _of_field(self, asked: FieldNode, type_: str, times: int) -> int:
        field: GraphQLField | None = getattr(self.schema.type_map[type_], "fields", {}).get(
            asked.name.value
        )
        if field is None:  # Introspection, which its own limits bound.
            return 0
        cost = times * _weight(field)
        if _PAGED & field.args.keys():
            size = self._size(asked)
            if "ids" in field.args:
                cost *= size  # Each is fetched by itself.
            times *= size
            cost += times
        if asked.selection_set is not None:
            cost += self.of(asked.selection_set, get_named_type(field.type).name, times)
        return cost

    def _size(self, asked: FieldNode) -> int:
        given = [
            argument.value for argument in asked.arguments or () if argument.name.value in _PAGED
        ]
        return min(max(1, self._number(given[0]) if given else PAGE), PAGE_LIMIT)

    def _number(self, value: ValueNode) -> int:
        match value:
            case VariableNode():
                told = self.variables.get(value.name.value, PAGE)
                return len(told) if isinstance(told, list) else told if isinstance(told, int) else 1
            case IntValueNode():
                return int(value.value)
            case ListValueNode():
                return len(value.values)
            case _:
                return 1


def _weight(field: GraphQLField) -> int:
    definition = (field.extensions or {}).get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if definition is None or definition.base_resolver is None:
        return 0
    return 1 if definition.metadata.get("is_shared") else FETCH
