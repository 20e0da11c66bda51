"""Limits on documents, checked before validation. Does no I/O.

The cost of validation grows with the square of a field's repetitions: 300 repetitions
in 2.7 kB take 353 ms. All checks here are linear in the size of the document with its
fragments expanded, and they stop expanding at FIELDS fields.
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
DIRECTIVES = 20
DIRECTIVES_PER_NODE = 5
SAME_RESPONSE_KEY = 10
# Apollo Client adds `__typename` to every fragment, and a document may have a fragment
# for each of the 16 types of stream messages. Validating 30 of them takes 3 ms.
SAME_TYPENAME = 30
ROOT_FIELDS = 10
FRAGMENTS = 20
FIELDS = 1_000
# A number of the schema has at most 19 digits. Python refuses to read one of 4,301.
NUMBER_CHARS = 40

_INTROSPECTION = ("__schema", "__type")


def check_document(document: DocumentNode) -> None:
    """Raises InvalidArgument for the first limit that the document exceeds."""
    fragments = {
        part.name.value: part
        for part in document.definitions
        if isinstance(part, FragmentDefinitionNode)
    }
    _check_numbers(document)
    _check("fragments", len(fragments), FRAGMENTS)
    _check_counts(document)
    for part in document.definitions:
        if isinstance(part, OperationDefinitionNode):
            walk = _Walk(fragments)
            walk.visit(part.selection_set, walk.root, 1)
            _check("root fields", len(walk.root.children), ROOT_FIELDS)


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
    """A field of the response: how often it is selected, and the fields below."""

    count: int = 0
    children: dict[str, "_ResponseField"] = field(default_factory=dict)


class _Walk:
    """Walks through an operation as execution would, with its fragments expanded."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self.root = _ResponseField()
        self._fragments = fragments
        self._open_fragments: list[str] = []
        self._steps = 0

    def visit(self, selections: SelectionSetNode, parent: _ResponseField, depth: int) -> None:
        for selection in selections.selections:
            self._steps += 1
            _check("fields with its fragments expanded", self._steps, FIELDS)
            match selection:
                case FieldNode():
                    self._visit_field(selection, parent, depth)
                case InlineFragmentNode():
                    self.visit(selection.selection_set, parent, depth)
                case FragmentSpreadNode():
                    self._visit_fragment(selection.name.value, parent, depth)

    def _visit_field(self, node: FieldNode, parent: _ResponseField, depth: int) -> None:
        key = node.name.value if node.alias is None else node.alias.value
        response_field = parent.children.setdefault(key, _ResponseField())
        response_field.count += 1
        _check(
            f"fields {key!r} in one place",
            response_field.count,
            SAME_TYPENAME if node.name.value == "__typename" else SAME_RESPONSE_KEY,
            "select each field once",
        )
        if depth > DEPTH:
            raise InvalidArgument(
                f"the document is more than {DEPTH} fields deep: select fewer nested fields"
            )
        # Introspection is deep by nature. Where it is enabled, a validation rule bounds
        # its depth, and this walk bounds its size.
        if node.selection_set is not None:
            self.visit(
                node.selection_set,
                response_field,
                -DEPTH if node.name.value in _INTROSPECTION else depth + 1,
            )

    def _visit_fragment(self, name: str, parent: _ResponseField, depth: int) -> None:
        if name in self._open_fragments:
            raise InvalidArgument(f"fragment {name!r} spreads itself: remove the cycle")
        fragment = self._fragments.get(name)
        if fragment is not None:  # validation reports an unknown fragment
            self._open_fragments.append(name)
            self.visit(fragment.selection_set, parent, depth)
            self._open_fragments.pop()
