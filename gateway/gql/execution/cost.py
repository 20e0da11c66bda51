"""The most points that an operation can cost, and the most calls to Twilio that it can
need. Does no I/O.

Pages multiply, so a short document can request a million objects. The cost is counted
before the operation runs, from the requested page sizes, as if each page were full and
nothing cached. The same operation is therefore always accepted or always rejected,
whatever a cache holds.
"""

from bisect import bisect_right
from collections.abc import Mapping
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

from gateway.core.errors import MaxCostExceeded
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

_PRESENCE: Final = frozenset({"presence", "roomPresence"})
_CHEAPER_IN_PRESENCE: Final = (
    "select participants and tracks of the presence itself, which need none"
)
_NAMED: Final = 3  # fields in a message


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

    Raises MaxCostExceeded for more than MAX_CALLS or MAX_COST.
    """
    root = schema.get_root_type(operation.operation)
    assert root is not None
    counter = _CostCounter(schema, fragments, variables, root.name)
    counter.visit(operation.selection_set, root.name, _Scope())
    cost = counter.cost()
    if cost.calls > MAX_CALLS:
        message = _too_many_calls(counter, cost.calls)
    elif cost.points > MAX_COST:
        message = (
            f"the operation costs up to {cost.points:,} points and the limit is {MAX_COST:,}: "
            f"{_smaller_pages(counter, counter.pages())} (an object on a page costs 1, a field "
            f"that fetches {FETCH_COST})"
        )
    else:
        return cost
    raise MaxCostExceeded(
        message,
        {
            "calls": cost.calls,
            "calls_allowed": MAX_CALLS,
            "points": cost.points,
            "points_allowed": MAX_COST,
        },
    )


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


_Pages = tuple[tuple[str, int], ...]
"""The pages that objects are on, outermost first: the argument that bounds the page,
and its size."""


@dataclass(frozen=True, slots=True)
class _FetchingField:
    """A field that calls Twilio, with the fields and the pages that lead to it."""

    name: str
    path: tuple[str, ...]
    pages: _Pages
    calls: int
    cheaper: str

    def __str__(self) -> str:
        return f"{self.name} below {'.'.join(self.path)}" if self.path else self.name


@dataclass(frozen=True, slots=True)
class _Scope:
    """The objects that a selection set applies to: how many there are, how many rooms
    they belong to, and the pages and fields that lead to them."""

    objects: int = 1
    rooms: int = 1
    pages: _Pages = ()
    room_pages: _Pages = ()
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _CostCounter:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    root: str
    fetching: list[_FetchingField] = field(default_factory=list)
    _costs: dict[_Pages, Cost] = field(default_factory=dict)

    def cost(self, largest_page: int | None = None) -> Cost:
        """The cost of what was visited, as if no page were larger than this."""
        points = calls = 0
        for pages, cost in self._costs.items():
            part, whole = 1, 1
            for _, size in pages:
                part *= size if largest_page is None else min(size, largest_page)
                whole *= size
            # Both are multiples of the number of objects on the pages.
            points += cost.points // whole * part
            calls += cost.calls // whole * part
        return Cost(points, calls)

    def pages(self) -> set[str]:
        """The arguments that bound the pages of what was visited."""
        return {argument for pages in self._costs for argument, _ in pages}

    def visit(self, selections: SelectionSetNode, type_: str, scope: _Scope) -> None:
        """Adds the cost of the selections, and notes the fields that call Twilio."""
        # This ends: validation has rejected documents whose fragments form a cycle.
        for selection in selections.selections:
            match selection:
                case FieldNode():
                    self._visit_field(selection, type_, scope)
                case InlineFragmentNode(type_condition=condition, selection_set=nested):
                    inner_type = type_ if condition is None else condition.name.value
                    self.visit(nested, inner_type, scope)
                case FragmentSpreadNode():
                    fragment = self.fragments[selection.name.value]
                    self.visit(fragment.selection_set, fragment.type_condition.name.value, scope)

    def _add(self, pages: _Pages, points: int, calls: int = 0) -> None:
        old = self._costs.get(pages, Cost(0, 0))
        self._costs[pages] = Cost(old.points + points, old.calls + calls)

    def _visit_field(self, node: FieldNode, type_: str, scope: _Scope) -> None:
        fields = getattr(self.schema.type_map[type_], "fields", {})
        name = node.name.value
        field: GraphQLField | None = fields.get(name)
        if field is None:  # introspection, which limits of its own bound
            return
        self._add_fetch(node, field, scope)
        if not type_.endswith(_PAGE_TYPES):
            scope = replace(scope, path=(*scope.path, name))
        if _PAGE_ARGUMENTS & field.args.keys():
            page = self._page(node, field)
            objects, pages = scope.objects * page[1], (*scope.pages, page)
            scope = replace(scope, objects=objects, pages=pages)
            if type_ == self.root:
                # The objects below a room belong to it, others may be of any room.
                scope = replace(scope, rooms=objects, room_pages=pages)
            self._add(pages, objects)
        elif (size := list_size(field)) is not None:
            scope = replace(scope, objects=scope.objects * size)
            self._add(scope.pages, scope.objects)
        if node.selection_set is not None:
            self.visit(node.selection_set, get_named_type(field.type).name, scope)

    def _add_fetch(self, node: FieldNode, field: GraphQLField, scope: _Scope) -> None:
        """Adds the cost of fetching the field of all objects."""
        metadata = resolver_metadata(field)
        if metadata is None or metadata.get("is_derived"):
            return
        is_shared = metadata.get("is_shared", False)
        times, pages = (
            (scope.rooms, scope.room_pages) if is_shared else (scope.objects, scope.pages)
        )
        if "ids" in field.args:
            page = self._page(node, field)  # each id is one fetch
            times, pages = times * page[1], (*pages, page)
        calls = times * metadata["calls"] * self._status_count(node)
        if is_shared:
            self._add(scope.pages, scope.objects)
            self._add(pages, 0, calls)
        else:
            self._add(pages, times * FETCH_COST, calls)
        if calls:
            cheaper = metadata.get("cheaper", "")
            if cheaper and not _PRESENCE.isdisjoint(scope.path):
                cheaper = _CHEAPER_IN_PRESENCE
            self.fetching.append(_FetchingField(node.name.value, scope.path, pages, calls, cheaper))

    def _page(self, node: FieldNode, field: GraphQLField) -> tuple[str, int]:
        return "ids" if "ids" in field.args else "first", self._page_size(node)

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


def _too_many_calls(counter: _CostCounter, calls: int) -> str:
    """The message for an operation that could need too many calls: it names the fields
    that need most of them, and what to do.

    Of fields that need equally many, one with a cheaper way comes first.
    """
    fields = sorted(counter.fetching, key=lambda field: (-field.calls, not field.cheaper))
    worst = fields[0]
    advice = _smaller_pages(counter, {argument for argument, _ in worst.pages})
    if worst.cheaper:
        advice = f"{worst.cheaper}, or {advice}"
    most = [field for field in fields if field.calls == worst.calls][:_NAMED]
    if worst.calls > MAX_CALLS and len(most) == 1:
        what, shares = str(worst), ""
    else:
        each = " and ".join(f"{field.calls:,} for {field}" for field in most)
        what, shares = "the operation", f", {each}"
    return (
        f"{what} could need {calls if shares else worst.calls:,} calls to Twilio and {MAX_CALLS} "
        f"are allowed{shares}: {advice}"
    )


def _smaller_pages(counter: _CostCounter, arguments: set[str]) -> str:
    """Advice for pages that are bounded by these arguments."""

    def is_too_much(size: int) -> bool:
        cost = counter.cost(size)
        return cost.calls > MAX_CALLS or cost.points > MAX_COST

    size = bisect_right(range(1, PAGE_LIMIT + 1), False, key=is_too_much)
    if size == 0:
        return "select less in one operation"
    pages, ids = f"use first: {size} or less for each page", f"send at most {size} ids"
    if arguments == {"ids"}:
        return ids
    return f"{pages}, and {ids}" if "ids" in arguments else pages
