"""Each limit, at it and above it."""

from collections.abc import Callable

import pytest
from graphql import get_introspection_query, parse

from gateway.core.errors import InvalidArgument
from gateway.gql.execution import document_limits as limits
from gateway.gql.execution.document_limits import check_document


def deep(depth: int) -> str:
    return "{ " + "a { " * (depth - 1) + "a" + " }" * depth


def fragments(count: int) -> str:
    return "{ a } " + " ".join(f"fragment f{n} on Query {{ a }}" for n in range(count))


def merged(count: int) -> str:
    """The same key by way of a fragment, an inline fragment and a repeated parent."""
    return "{ a { k ...f } a { ... on A { " + "k " * (count - 2) + "} } } fragment f on A { k }"


def expanded(count: int) -> str:
    """Fields and spreads count alike: ten times (a spread and what is in it), and the rest."""
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
    ("fragments", limits.FRAGMENTS, fragments),
    (
        "root fields",
        limits.ROOT_FIELDS,
        lambda count: "{ " + " ".join(f"k{n}" for n in range(count)) + " }",
    ),
    ("in one place", limits.DIRECTIVES_IN_ONE_PLACE, lambda count: "{ a " + "@d " * count + "}"),
    (
        "directives",
        limits.DIRECTIVES,
        lambda count: "{ a { " + " ".join(f"k{n} @d" for n in range(count)) + " } }",
    ),
    ("in one place", limits.SAME_RESPONSE_KEY, lambda count: "{ " + "k " * count + "}"),
    ("in one place", limits.SAME_RESPONSE_KEY, merged),
    ("fragments expanded", limits.FIELDS - 1, expanded),
]


@pytest.mark.parametrize(
    ("what", "limit", "document"), LIMITS, ids=[f"{n}-{row[0]}" for n, row in enumerate(LIMITS)]
)
def test_a_limit_may_be_reached_and_not_passed(
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
def test_a_cycle_of_fragments_is_refused(document: str) -> None:
    with pytest.raises(InvalidArgument, match="spreads itself"):
        check_document(parse(document))


def test_fragments_that_double_are_stopped_early() -> None:
    chain = " ".join(
        f"fragment f{n} on A {{ x{n} {{ ...f{n + 1} }} y{n} {{ ...f{n + 1} }} }}" for n in range(10)
    )
    with pytest.raises(InvalidArgument):
        check_document(parse("{ a { ...f0 } } " + chain + " fragment f10 on A { z }"))


def test_directives_count_on_operations_variables_and_fragments() -> None:
    for document in (
        "query @d @d @d @d @d @d { a }",
        "query($v: Int @d @d @d @d @d @d) { a }",
        "{ a } fragment f on A @d @d @d @d @d @d { a }",
        "{ ... @d @d @d @d @d @d { a } }",
        "{ ...f @d @d @d @d @d @d } fragment f on A { a }",
    ):
        with pytest.raises(InvalidArgument, match="directives in one place"):
            check_document(parse(document))


def test_the_introspection_of_tools_is_within_the_limits() -> None:
    check_document(parse(get_introspection_query(), max_lexical_tokens=limits.TOKENS))


def test_every_operation_of_a_document_is_checked() -> None:
    with pytest.raises(InvalidArgument):
        check_document(parse("query A { a } query B " + deep(limits.DEPTH + 1)))
