"""The cache of documents."""

import pytest
from graphql import DocumentNode

from gateway.gql.execution import document_limits as limits
from gateway.gql.execution import documents as module
from gateway.gql.execution.documents import Documents
from gateway.gql.execution.errors import RequestError
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


@pytest.mark.parametrize("text", ["{ a " * 400, "{ a(b: " + "[" * 900])
def test_deep_nesting_is_rejected_while_parsing(documents: Documents, text: str) -> None:
    with pytest.raises(RequestError):
        documents.document(text)
