"""Limits on documents: each is tested at the limit and one above it."""

import sys
from collections.abc import Callable

import pytest
from graphql import get_introspection_query, parse

from gateway.core.errors import InvalidArgument
from gateway.gql.execution import document_limits as limits
from gateway.gql.execution.document_limits import check_document
from gateway.gql.execution.documents import Documents
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from tests.gql.execution.hostile_documents import hostile_documents, refuse_or_accept

HOSTILE = hostile_documents()
REF = 'ref: {uniqueName: "standup"}'


@pytest.fixture
def documents() -> Documents:
    return Documents(EXECUTABLE_SCHEMA, introspection=False)


def deep(depth: int) -> str:
    return "{ " + "a { " * (depth - 1) + "a" + " }" * depth


def operations(count: int) -> str:
    return " ".join(f"query q{n} {{ a }}" for n in range(count))


def merged(count: int) -> str:
    """One response key from a field, an inline fragment and a repeated parent."""
    return "{ a { k } a { ... on A { " + "k " * (count - 1) + "} } }"


def spread_again(count: int) -> str:
    """One response key from one fragment that is spread again and again."""
    return "{ " + "a { ...f } " * count + "} fragment f on A { k }"


def colocated(count: int, body: str = "id __typename") -> str:
    """A fragment for each component of a page."""
    spreads = " ".join(f"...f{n}" for n in range(count))
    parts = " ".join(f"fragment f{n} on Room {{ {body} }}" for n in range(count))
    return f"{{ room {{ {spreads} }} }} {parts}"


def expanded(count: int) -> str:
    """Ten spreads of one fragment, and more fields. Fields and spreads count alike."""
    fields = " ".join(f"k{n}" for n in range(96))
    rest = " ".join(f"r{n}" for n in range(count - 10 * (1 + 1 + 96)))
    spreads = " ".join(f"p{n} {{ ...f }}" for n in range(10))
    return "{ p { " + spreads + " " + rest + " } } fragment f on P { " + fields + " }"


LIMITS: list[tuple[str, int, Callable[[int], str]]] = [
    ("fields deep", limits.DEPTH, deep),
    (
        "aliases",
        limits.ALIASES,
        lambda count: "{ a { " + " ".join(f"k{n}: a" for n in range(count)) + " } }",
    ),
    ("in an alias", limits.ALIAS_CHARS, lambda count: "{ " + "x" * count + ": a }"),
    ("operations", limits.OPERATIONS, operations),
    ("too often", 52, colocated),
    ("too often", 63, lambda count: colocated(count, "id")),
    (
        "root fields",
        limits.ROOT_FIELDS,
        lambda count: "{ " + " ".join(f"k{n}" for n in range(count)) + " }",
    ),
    ("in one place", limits.DIRECTIVES_PER_NODE, lambda count: "{ a " + "@d " * count + "}"),
    (
        "directives",
        limits.DIRECTIVES,
        lambda count: "{ a { " + " ".join(f"k{n} @d" for n in range(count)) + " } }",
    ),
    ("in one place", limits.SAME_RESPONSE_KEY, lambda count: "{ " + "k " * count + "}"),
    ("in one place", limits.SAME_RESPONSE_KEY, merged),
    ("in one place", limits.SAME_RESPONSE_KEY, spread_again),
    (
        "in one place",
        limits.SAME_RESPONSE_KEY,
        lambda count: "{ " + "__typename: k " * count + "}",
    ),
    ("in one place", limits.SAME_TYPENAME, lambda count: "{ " + "__typename " * count + "}"),
    ("fragments expanded", limits.FIELDS - 1, expanded),
    ("a number", limits.NUMBER_CHARS, lambda count: "{ a(x: " + "9" * count + ") }"),
    ("a number", limits.NUMBER_CHARS - 1, lambda count: "{ a(x: -" + "9" * count + ") }"),
    ("a number", limits.NUMBER_CHARS - 2, lambda count: "{ a(x: [1." + "9" * count + "]) }"),
    ("too large", 308, lambda count: "{ a @d(x: {y: 1e" + str(count) + "}) }"),
    ("a number", limits.NUMBER_CHARS, lambda count: f"query($n: Int = {'9' * count}) {{ a }}"),
]


@pytest.mark.parametrize(
    ("what", "limit", "document"), LIMITS, ids=[f"{n}-{row[0]}" for n, row in enumerate(LIMITS)]
)
def test_a_limit_can_be_reached_and_not_exceeded(
    what: str, limit: int, document: Callable[[int], str]
) -> None:
    check_document(parse(document(limit)))
    with pytest.raises(InvalidArgument, match=what):
        check_document(parse(document(limit + 1)))


@pytest.mark.parametrize(
    "document",
    [
        "{ ...f } fragment f on Query { ...f }",
        "{ a { ...f } } fragment f on A { b { ...g } } fragment g on B { a { ...f } }",
    ],
)
def test_a_cycle_of_fragments_is_rejected(document: str) -> None:
    with pytest.raises(InvalidArgument, match="spreads itself"):
        check_document(parse(document))


def test_fragments_that_grow_exponentially_are_rejected_early() -> None:
    chain = " ".join(
        f"fragment f{n} on A {{ x{n} {{ ...f{n + 1} }} y{n} {{ ...f{n + 1} }} }}" for n in range(10)
    )
    with pytest.raises(InvalidArgument):
        check_document(parse("{ a { ...f0 } } " + chain + " fragment f10 on A { z }"))


def test_directives_are_counted_on_operations_variables_and_fragments() -> None:
    for document in (
        "query @d @d @d @d @d @d { a }",
        "query($v: Int @d @d @d @d @d @d) { a }",
        "{ ...f } fragment f on A @d @d @d @d @d @d { a }",
        "{ ... @d @d @d @d @d @d { a } }",
        "{ ...f @d @d @d @d @d @d } fragment f on A { a }",
    ):
        with pytest.raises(InvalidArgument, match="directives in one place"):
            check_document(parse(document))


def test_the_standard_introspection_query_is_within_the_limits() -> None:
    check_document(parse(get_introspection_query(), max_lexical_tokens=limits.TOKENS))


def test_every_operation_of_a_document_is_checked() -> None:
    with pytest.raises(InvalidArgument):
        check_document(parse("query A { a } query B " + deep(limits.DEPTH + 1)))


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ("{ a } fragment f on A { a }", "'f' is never used"),
        ("{ a } fragment f on A { ...g } fragment g on A { ...f }", "'f' is never used"),
        ("{ ...g }", "'g' is unknown"),
        ("query A { a } query B { a { ...g } }", "'g' is unknown"),
        ("{ ...f } fragment f on A { a } fragment f on A { b }", "two fragments 'f'"),
        ("{ a } type T { a: Int }", "defines a part of a schema"),
        ("{ a } extend type Query { a: Int }", "defines a part of a schema"),
        ("{ ..." + "x" * 60_000 + " }", "x…' is unknown"),
    ],
)
def test_what_validation_refuses_anyway_is_refused_before_it(document: str, what: str) -> None:
    with pytest.raises(InvalidArgument, match=what) as refused:
        check_document(parse(document))
    assert len(refused.value.message) < 300


def test_all_operations_share_one_budget_of_fields() -> None:
    wide = " fragment f on A { " + " ".join(f"k{n}" for n in range(600)) + " }"
    check_document(parse("query A { a { ...f } }" + wide))
    with pytest.raises(InvalidArgument, match="fragments expanded"):
        check_document(parse("query A { a { ...f } } query B { a { ...f } }" + wide))


def test_fragments_of_many_components_are_valid(documents: Documents) -> None:
    """A page has a fragment for each component, and each selects `id`."""
    assert refuse_or_accept(documents, colocated(50).replace("room ", f"room({REF}) ")) == ""
    nested = (
        "{ room("
        + REF
        + ") { ...f0 } } "
        + " ".join(f"fragment f{n} on Room {{ id __typename ...f{n + 1} }}" for n in range(50))
    )
    assert refuse_or_accept(documents, nested + " fragment f50 on Room { sid }") == ""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_causes_bounded_work(documents: Documents, name: str) -> None:
    """The work is counted in calls and returns of functions: a time would depend on the
    machine. A million take some 50 ms."""
    count = 0

    def note(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(note)
    try:
        refuse_or_accept(documents, HOSTILE[name])
    finally:
        sys.setprofile(None)
    assert count < 1_000_000
