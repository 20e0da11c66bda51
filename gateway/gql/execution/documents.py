"""A cache of parsed and validated documents.

Without it, validation takes 61 % of a small query's time, and parsing 13 %.
"""

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    ValuesOfCorrectTypeRule,
    parse,
    specified_rules,
    validate,
)

from gateway.core.errors import InvalidArgument
from gateway.core.lru import LruCache
from gateway.gql.execution.document_limits import BODY_BYTES, COMMENTS, TOKENS, check_document
from gateway.gql.execution.errors import RequestError
from gateway.gql.execution.literals import NamedValuesRule

MAX_DOCUMENTS = 1_000
MAX_BYTES = 32 * 1024 * 1024
# Measured with tracemalloc: 380 to 550 bytes of nodes and locations for each token.
BYTES_PER_TOKEN = 600
# Each quotes a part of the document. Ten that quote an object of 320 fields took 25 ms.
MAX_VALIDATION_ERRORS = 5


class Documents:
    """Parses and validates documents, and caches the valid ones that were used last."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        self._schema = schema
        self._rules = (
            *(rule for rule in specified_rules if rule is not ValuesOfCorrectTypeRule),
            NamedValuesRule,
            *(() if introspection else (NoSchemaIntrospectionCustomRule,)),
        )
        self._hide_suggestions = not introspection
        self._cache = LruCache[str, DocumentNode](max_entries=MAX_DOCUMENTS, max_bytes=MAX_BYTES)

    def __contains__(self, text: str) -> bool:
        """Whether the document is in the cache, and so costs nothing to parse."""
        return text in self._cache

    def document(self, text: str) -> DocumentNode:
        """The parsed document.

        Raises RequestError for a syntax error, an exceeded limit, or a document that
        does not fit the schema.
        """
        document = self._cache.get(text)
        if document is None:
            document = self._parse_and_validate(text)
            size = len(text) + BYTES_PER_TOKEN * document.token_count
            self._cache.put(text, document, size)
        return document

    def _parse_and_validate(self, text: str) -> DocumentNode:
        try:
            document = parse(
                text, max_lexical_tokens=TOKENS, max_comments=COMMENTS, max_source_length=BODY_BYTES
            )
            check_document(document)
        except GraphQLError as error:
            raise RequestError([error]) from None
        except InvalidArgument as error:
            raise RequestError.wrap(error) from None
        errors = validate(
            self._schema,
            document,
            self._rules,
            max_errors=MAX_VALIDATION_ERRORS,
            hide_suggestions=self._hide_suggestions,
        )
        if errors:
            raise RequestError(errors)
        return document
