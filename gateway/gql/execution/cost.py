"""The most points that an operation can cost, and the most calls to Twilio that it can
need. Does no I/O.

Pages multiply, so a short document can request a million objects. The cost is counted
before the operation runs, from the requested page sizes, as if each page were full and
nothing cached. The same operation is therefore always accepted or always rejected,
whatever a cache holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    value_from_ast_untyped,
)

from gateway.core.errors import InvalidArgument
from gateway.core.paging import DEFAULT_FIRST, PAGE_LIMIT
from gateway.gql.execution.graphql_core import list_size, resolver_metadata
from gateway.service.callers.charge import FETCH_COST

MAX_CALLS: Final = 60
"""The most calls to Twilio that an operation may need, or an event of a subscription.
It is three quarters of the 80 reads a second that Twilio grants an account, so one
operation cannot use up a second of it. A page of the default size whose objects need
one call each is within it: 51."""
MAX_COST: Final = MAX_CALLS * (FETCH_COST + PAGE_LIMIT)
"""What MAX_CALLS calls cost if each returns a full page. So points refuse no operation
whose calls are allowed, unless it reads large pages that need no call."""
# The price of a rejected document. The gateway has parsed it for nothing: 2 ms for most
# documents, 9 ms for the worst.
REJECTED_COST = 100
_PAGE_ARGUMENTS = {"first", "ids"}
_PAGE_TYPES = ("Connection", "Edge")
"""How the names of the types between a page and its objects end. Their fields stand in
no path that a message names."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The most that an operation can cost; for a subscription, per event.

    `points` are the caller's price, without that of the call itself. `calls` are calls
    to Twilio; retries do not count.
    """

    points: int
    calls: int


def check_cost(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
) -> Cost:
    """The most that the operation can cost.

    Raises InvalidArgument for more than MAX_CALLS or MAX_COST.
    """
    root = schema.get_root_type(operation.operation)
    assert root is not None
    counter = _CostCounter(schema, fragments, variables, root.name)
    points = counter.of_selections(operation.selection_set, root.name, _Scope())
    calls = sum(field.calls for field in counter.fetching)
    if calls > MAX_CALLS:
        raise InvalidArgument(_too_many_calls(counter.fetching, calls))
    if points > MAX_COST:
        raise InvalidArgument(
            f"the operation costs up to {points:,} points and the limit is {MAX_COST:,}: request "
            f"smaller pages with first (an object on a page costs 1, a field that fetches "
            f"{FETCH_COST})"
        )
    return Cost(points, calls)


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
class _FetchingField:
    """A field that calls Twilio, with the fields that lead to it."""

    name: str
    path: tuple[str, ...]
    calls: int
    advice: str


@dataclass(frozen=True, slots=True)
class _Scope:
    """The objects that a selection set applies to: how many there are, how many rooms
    they belong to, and the fields that lead to them."""

    objects: int = 1
    rooms: int = 1
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _CostCounter:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    root: str
    fetching: list[_FetchingField] = field(default_factory=list)

    def of_selections(self, selections: SelectionSetNode, type_: str, scope: _Scope) -> int:
        """The points of the selections. Notes the fields that call Twilio."""
        # This ends: validation has rejected documents whose fragments form a cycle.
        return sum(
            self._of_selection(selection, type_, scope) for selection in selections.selections
        )

    def _of_selection(self, selection: object, type_: str, scope: _Scope) -> int:
        match selection:
            case FieldNode():
                return self._of_field(selection, type_, scope)
            case InlineFragmentNode(type_condition=condition, selection_set=nested):
                inner_type = type_ if condition is None else condition.name.value
                return self.of_selections(nested, inner_type, scope)
            case FragmentSpreadNode():
                fragment = self.fragments[selection.name.value]
                return self.of_selections(
                    fragment.selection_set, fragment.type_condition.name.value, scope
                )
            case _:
                return 0

    def _of_field(self, node: FieldNode, type_: str, scope: _Scope) -> int:
        fields = getattr(self.schema.type_map[type_], "fields", {})
        name = node.name.value
        field: GraphQLField | None = fields.get(name)
        if field is None:  # introspection, which limits of its own bound
            return 0
        points = self._of_fetch(node, field, type_, scope)
        if not type_.endswith(_PAGE_TYPES):
            scope = replace(scope, path=(*scope.path, name))
        if _PAGE_ARGUMENTS & field.args.keys():
            objects = scope.objects * self._page_size(node)
            # The objects below a room belong to it, others may be of any room.
            rooms = objects if type_ == self.root else scope.rooms
            scope = replace(scope, objects=objects, rooms=rooms)
            points += objects
        elif (size := list_size(field)) is not None:
            scope = replace(scope, objects=scope.objects * size)
            points += scope.objects
        if node.selection_set is not None:
            points += self.of_selections(node.selection_set, get_named_type(field.type).name, scope)
        return points

    def _of_fetch(self, node: FieldNode, field: GraphQLField, type_: str, scope: _Scope) -> int:
        """The points for fetching the field of all objects."""
        metadata = resolver_metadata(field)
        if metadata is None or metadata.get("is_derived"):
            return 0
        is_shared = metadata.get("is_shared", False)
        times = scope.rooms if is_shared else scope.objects
        if "ids" in field.args:
            times *= self._page_size(node)  # each id is one fetch
        calls = metadata["calls"] * self._status_count(node)
        if calls:
            advice = "send fewer ids" if "ids" in field.args else "request smaller pages"
            if metadata.get("cheaper"):
                advice = f"{metadata['cheaper']}, or {advice}"
            name = node.name.value
            self.fetching.append(_FetchingField(name, scope.path, times * calls, advice))
        return scope.objects if is_shared else times * FETCH_COST

    def _page_size(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in _PAGE_ARGUMENTS:
                size = max(1, self._number(argument.value))
                # More than PAGE_LIMIT on a page is an error when the field is resolved.
                return size if argument.name.value == "ids" else min(size, PAGE_LIMIT)
        return DEFAULT_FIRST

    def _status_count(self, node: FieldNode) -> int:
        """How many statuses the field's filter names: Twilio has a list for each."""
        for argument in node.arguments or ():
            if argument.name.value == "filter":
                filter_ = value_from_ast_untyped(argument.value, dict(self.variables))
                statuses = filter_.get("statuses") if isinstance(filter_, dict) else None
                return max(1, len(set(statuses))) if isinstance(statuses, list) else 1
        return 1

    def _number(self, value: ValueNode) -> int:
        match value:
            case VariableNode():
                given = self.variables.get(value.name.value)
                if isinstance(given, list):
                    return len(given)
                return given if isinstance(given, int) else DEFAULT_FIRST
            case NullValueNode():
                return DEFAULT_FIRST
            case IntValueNode():
                return int(value.value)
            case ListValueNode():
                return len(value.values)
            case _:
                return 1


def _too_many_calls(fields: Sequence[_FetchingField], calls: int) -> str:
    """The message for an operation that could need too many calls: it names the field
    that needs most of them, and what to do."""
    worst = max(fields, key=lambda field: field.calls)
    what = f"{worst.name} below {'.'.join(worst.path)}" if worst.path else worst.name
    if worst.calls > MAX_CALLS:
        return (
            f"{what} could need {worst.calls:,} calls to Twilio and {MAX_CALLS} are allowed: "
            f"{worst.advice}"
        )
    return (
        f"the operation could need {calls:,} calls to Twilio and {MAX_CALLS} are allowed, "
        f"{worst.calls} of them for {what}: {worst.advice}"
    )
