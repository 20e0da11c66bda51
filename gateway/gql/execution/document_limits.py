"""Limits on documents, checked before validation. Does no I/O.

The cost of validation grows with the square of a field's repetitions: 300 repetitions
in 2.7 kB take 353 ms. All checks here are linear in the size of the document with its
fragments expanded, and they stop expanding at FIELDS fields. No definition passes
without being counted: those that no operation reaches are refused.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    ExecutableDefinitionNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
    TokenKind,
)

from gateway.core.errors import InvalidArgument

BODY_BYTES = 65_536
VARIABLES_BYTES = 16_384
TOKENS = 1_000
COMMENTS = 100
DEPTH = 12
ALIASES = 15
# Each response of a stream repeats the aliases.
ALIAS_CHARS = 128
DIRECTIVES = 20
DIRECTIVES_PER_NODE = 5
SAME_RESPONSE_KEY = 10
# Apollo Client adds `__typename` to every inline fragment, and a document may have one
# for each of the 16 types of stream messages.
SAME_TYPENAME = 30
ROOT_FIELDS = 10
OPERATIONS = 10
FIELDS = 1_000
# Validation compares every two fields with one response key, and every two fragments of
# one object: 4 µs for each pair. Fifty fragments that all select `id` and `__typename`
# of one object need 3,700.
COMPARISONS = 4_000
# A number of the schema has at most 19 digits. Python refuses to read one of 4,301.
NUMBER_CHARS = 40

_MAX_NAME_CHARS = 80
_INTROSPECTION = ("__schema", "__type")


def check_document(document: DocumentNode) -> None:
    """Raises InvalidArgument for the first limit that the document exceeds.

    Validation visits every definition, also those that no operation reaches. So
    definitions that validation refuses in any case are refused here, before it runs.
    """
    _check_numbers(document)
    operations, fragments = _definitions(document)
    _check("operations", len(operations), OPERATIONS)
    _check_counts(document)
    walk = _Walk(fragments)
    for operation in operations:
        walk.visit_operation(operation)
    for name in fragments:
        if name not in walk.reached:
            raise InvalidArgument(f"fragment {_quoted(name)} is never used: remove it")


def _definitions(
    document: DocumentNode,
) -> tuple[list[OperationDefinitionNode], dict[str, FragmentDefinitionNode]]:
    """The operations, and the fragments by name. Raises InvalidArgument."""
    operations: list[OperationDefinitionNode] = []
    fragments: dict[str, FragmentDefinitionNode] = {}
    for part in document.definitions:
        match part:
            case OperationDefinitionNode():
                operations.append(part)
            case FragmentDefinitionNode():
                if part.name.value in fragments:
                    name = _quoted(part.name.value)
                    raise InvalidArgument(f"there are two fragments {name}: rename one")
                fragments[part.name.value] = part
            case _:
                raise InvalidArgument(
                    "the document defines a part of a schema, which is not executable: "
                    "send operations and fragments"
                )
    return operations, fragments


def _quoted(name: str) -> str:
    """The name as error messages show it: a document can have names of 60 kB."""
    return repr(name if len(name) <= _MAX_NAME_CHARS else name[:_MAX_NAME_CHARS] + "…")


def _check(what: str, count: int, limit: int, advice: str = "split the document") -> None:
    if count > limit:
        raise InvalidArgument(f"the document has {count} {what} and the limit is {limit}: {advice}")


def _check_numbers(document: DocumentNode) -> None:
    """Checks every number, wherever it stands: also as a default or in a directive."""
    token = document.loc.start_token if document.loc is not None else None
    while token is not None:
        if token.kind in (TokenKind.INT, TokenKind.FLOAT):
            length = token.end - token.start
            if length > NUMBER_CHARS:
                raise InvalidArgument(
                    f"a number in the document has {length} characters and the limit is "
                    f"{NUMBER_CHARS}: send a smaller number"
                )
            if math.isinf(float(token.value or 0)):
                raise InvalidArgument(
                    "a number in the document is too large: send a smaller number"
                )
        token = token.next


def _check_counts(document: DocumentNode) -> None:
    aliases = directives = 0
    for node in _nodes(document):
        if isinstance(node, FieldNode) and node.alias is not None:
            aliases += 1
            _check("characters in an alias", len(node.alias.value), ALIAS_CHARS, "shorten it")
        on_node = len(getattr(node, "directives", None) or ())
        _check("directives in one place", on_node, DIRECTIVES_PER_NODE, "remove some")
        directives += on_node
    _check("aliases", aliases, ALIASES)
    _check("directives", directives, DIRECTIVES)


def _nodes(document: DocumentNode) -> Iterator[Node]:
    """Every node that can carry a directive."""
    pending: list[Node] = list(document.definitions)
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ExecutableDefinitionNode):
            pending.extend(node.variable_definitions or ())
        selections = getattr(node, "selection_set", None)
        if selections is not None:
            pending.extend(selections.selections)


@dataclass(slots=True)
class _ResponseField:
    """A field of the response, and the fields below.

    `count` is how often it is selected, `spreads` how many fragments its selections
    spread. `counts` has a number for each definition that selects it: fragments of
    different components of a page select the same fields, and one definition need not.
    """

    count: int = 0
    spreads: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    children: dict[str, "_ResponseField"] = field(default_factory=dict)


class _Walk:
    """Walks through operations as execution would, with their fragments expanded.

    All operations of a document share one budget of steps.
    """

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self.reached: set[str] = set()
        self._fragments = fragments
        # The open fragments, in the order in which they spread each other.
        self._open: dict[str, None] = {}
        self._definition = ""
        self._steps = 0
        self._comparisons = 0

    def visit_operation(self, operation: OperationDefinitionNode) -> None:
        """Raises InvalidArgument."""
        root = _ResponseField()
        self._visit(operation.selection_set, root, 1)
        _check("root fields", len(root.children), ROOT_FIELDS)

    def _visit(self, selections: SelectionSetNode, parent: _ResponseField, depth: int) -> None:
        for selection in selections.selections:
            self._steps += 1
            _check("fields with its fragments expanded", self._steps, FIELDS)
            match selection:
                case FieldNode():
                    self._visit_field(selection, parent, depth)
                case InlineFragmentNode():
                    self._visit(selection.selection_set, parent, depth)
                case FragmentSpreadNode():
                    self._visit_fragment(selection.name.value, parent, depth)

    def _visit_field(self, node: FieldNode, parent: _ResponseField, depth: int) -> None:
        key = node.name.value if node.alias is None else node.alias.value
        response_field = parent.children.setdefault(key, _ResponseField())
        self._count(node, key, response_field)
        if depth > DEPTH:
            raise InvalidArgument(
                f"the document is more than {DEPTH} fields deep: select fewer nested fields"
            )
        # Introspection is deep by nature. Where it is enabled, a validation rule bounds
        # its depth, and this walk bounds its size.
        if node.selection_set is not None:
            self._visit(
                node.selection_set,
                response_field,
                -DEPTH if node.name.value in _INTROSPECTION else depth + 1,
            )

    def _count(self, node: FieldNode, key: str, response_field: _ResponseField) -> None:
        """Counts the field, and the fields with which validation compares it."""
        counts = response_field.counts
        counts[self._definition] = counts.get(self._definition, 0) + 1
        _check(
            f"fields {_quoted(key)} in one place",
            counts[self._definition],
            SAME_TYPENAME if node.name.value == "__typename" else SAME_RESPONSE_KEY,
            "select each field once",
        )
        # Arguments are compared too, which takes longer.
        self._compare(response_field.count * (1 + 2 * len(node.arguments or ())), key)
        response_field.count += 1

    def _compare(self, comparisons: int, name: str) -> None:
        self._comparisons += comparisons
        if self._comparisons > COMPARISONS:
            raise InvalidArgument(
                f"the document selects the same fields or fragments too often, {_quoted(name)} "
                f"last: to compare them needs more than {COMPARISONS} steps; select each once, or "
                "split the document"
            )

    def _visit_fragment(self, name: str, parent: _ResponseField, depth: int) -> None:
        if name in self._open:
            raise InvalidArgument(f"fragment {_quoted(name)} spreads itself: remove the cycle")
        fragment = self._fragments.get(name)
        if fragment is None:
            raise InvalidArgument(f"fragment {_quoted(name)} is unknown: add its definition")
        # Validation compares every two fragments of one object.
        self._compare(parent.spreads, name)
        parent.spreads += 1
        self.reached.add(name)
        outer, self._definition = self._definition, name
        self._open[name] = None
        self._visit(fragment.selection_set, parent, depth)
        del self._open[name]
        self._definition = outer
