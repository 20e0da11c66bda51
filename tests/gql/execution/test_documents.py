"""The cache of documents."""

from collections.abc import Iterator

import pytest
from graphql import (
    DocumentNode,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
)

from gateway.core.errors import Code
from gateway.gql.execution import document_limits as limits
from gateway.gql.execution import documents as module
from gateway.gql.execution.documents import Documents
from gateway.gql.execution.errors import RequestError, to_gateway_error
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA

SMALL = "{ __typename }"


@pytest.fixture
def documents() -> Documents:
    return Documents(EXECUTABLE_SCHEMA, introspection=False)


def document_of(tokens: int, name: str = "x") -> str:
    """A document with this many tokens."""
    head, tail = f"query {name} {{ nodes ( ids : [", "] ) { id } }"
    return head + '"x" ' * (tokens - len(head.split()) - len(tail.split())) + tail


def test_a_document_is_parsed_and_validated_once(documents: Documents) -> None:
    assert documents.document(SMALL) is documents.document(SMALL)


def test_the_number_of_documents_is_bounded_and_the_least_used_goes_first(
    documents: Documents,
) -> None:
    used, unused = documents.document(SMALL), documents.document("{ a: __typename }")
    for number in range(module.MAX_DOCUMENTS - 1):
        documents.document(f"query q{number} {{ __typename }}")
        assert documents.document(SMALL) is used
    assert documents.document("{ a: __typename }") is not unused


def test_the_memory_of_documents_is_bounded(documents: Documents) -> None:
    first = documents.document(document_of(limits.TOKENS))
    count = module.MAX_BYTES // (limits.TOKENS * module.BYTES_PER_TOKEN) + 1
    for number in range(count):
        documents.document(document_of(limits.TOKENS, f"q{number}"))
    assert count < module.MAX_DOCUMENTS
    assert documents.document(document_of(limits.TOKENS)) is not first


def test_invalid_documents_take_no_room_in_the_cache(documents: Documents) -> None:
    first: DocumentNode = documents.document(SMALL)
    for number in range(module.MAX_DOCUMENTS):
        with pytest.raises(RequestError):
            documents.document(f"{{ nonsense{number} ")
    assert documents.document(SMALL) is first


@pytest.mark.parametrize("text", ["{", "{ nonsense }", "{ " + "__typename " * 31 + "}"])
def test_an_invalid_document_is_rejected_each_time(documents: Documents, text: str) -> None:
    for _ in range(2):
        with pytest.raises(RequestError):
            documents.document(text)


def test_tokens_are_limited(documents: Documents) -> None:
    documents.document(document_of(limits.TOKENS))
    with pytest.raises(RequestError) as rejected:
        documents.document(document_of(limits.TOKENS + 1))
    assert "1000 tokens" in rejected.value.errors[0].message


def test_comments_are_limited(documents: Documents) -> None:
    documents.document("# x\n" * limits.COMMENTS + SMALL)
    with pytest.raises(RequestError):
        documents.document("# x\n" * (limits.COMMENTS + 1) + SMALL)


def literals(type_: GraphQLInputType, number: str) -> Iterator[str]:
    """Literals of this type with the number in the place of each value."""
    if isinstance(type_, GraphQLNonNull):
        yield from literals(type_.of_type, number)
    elif isinstance(type_, GraphQLList):
        yield from (f"[{literal}]" for literal in literals(type_.of_type, number))
    elif isinstance(type_, GraphQLInputObjectType):
        for name, input_field in type_.fields.items():
            yield from (f"{{{name}: {each}}}" for each in literals(input_field.type, number))
    else:
        yield number


def arguments() -> Iterator[tuple[str, str, GraphQLInputType]]:
    """The parent, the start of a selection, and the type of every argument."""
    for parent in EXECUTABLE_SCHEMA.type_map.values():
        if isinstance(parent, GraphQLObjectType) and not parent.name.startswith("__"):
            for name, field in parent.fields.items():
                for argument, definition in field.args.items():
                    yield parent.name, f"{name}({argument}: ", definition.type


@pytest.mark.parametrize("number", ["9" * 5_000, "-" + "9" * 60_000, "1e999", "9" * 5_000 + ".5"])
def test_a_huge_number_in_any_argument_is_an_error_of_the_caller(
    documents: Documents, number: str
) -> None:
    tried = 0
    for parent, start, type_ in arguments():
        for literal in literals(type_, number):
            with pytest.raises(RequestError) as rejected:
                documents.document(f"{{ ... on {parent} {{ {start}{literal}) }} }}")
            codes = {to_gateway_error(error).code for error in rejected.value.errors}
            assert codes == {Code.INVALID_ARGUMENT}, (parent, start, literal[:40])
            tried += 1
    assert tried > 100


@pytest.mark.parametrize("text", ["{ a " * 400, "{ a(b: " + "[" * 900])
def test_deep_nesting_is_rejected_while_parsing(documents: Documents, text: str) -> None:
    with pytest.raises(RequestError):
        documents.document(text)
