"""Documents, parsed and validated once. Without this, validation is 61 % of a small query's time and parsing 13 %."""

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    parse,
    specified_rules,
    validate,
)

from gateway.core.errors import InvalidArgument
from gateway.core.lru import LruCache
from gateway.gql.execution.document_limits import BODY_BYTES, COMMENTS, TOKENS, check_document
from gateway.gql.execution.errors import Refused

COUNT = 1_000
BYTES = 32 * 1024 * 1024
# Measured with tracemalloc: 380 to 550 for a token's share of nodes and locations.
BYTES_PER_TOKEN = 600
MAX_ERRORS = 10


class Documents:
    """Keeps the documents used last, up to `count` of them and about `bytes_` of memory. Only good ones are kept."""

    def __init__(
        self, schema: GraphQLSchema, *, introspection: bool, count: int = COUNT, bytes_: int = BYTES
    ) -> None:
        self._schema = schema
        self._rules = (
            specified_rules
            if introspection
            else (*specified_rules, NoSchemaIntrospectionCustomRule)
        )
        self._hide_suggestions = not introspection
        self._documents = LruCache[str, DocumentNode](max_entries=count, max_bytes=bytes_)

    @property
    def size(self) -> int:
        return self._documents.size

    def __len__(self) -> int:
        return len(self._documents)

    def document(self, text: str) -> DocumentNode:
        """Raises Refused for what is no document, passes a limit or does not fit the schema."""
        document = self._documents.get(text)
        if document is None:
            document = self._checked(text)
            size = len(text) + BYTES_PER_TOKEN * document.token_count
            self._documents.put(text, document, size)
        return document

    def _checked(self, text: str) -> DocumentNode:
        try:
            document = parse(
                text, max_lexical_tokens=TOKENS, max_comments=COMMENTS, max_source_length=BODY_BYTES
            )
            check_document(document)
        except GraphQLError as error:
            raise Refused([error]) from None
        except InvalidArgument as fault:
            raise Refused.of(fault) from None
        errors = validate(
            self._schema,
            document,
            self._rules,
            max_errors=MAX_ERRORS,
            hide_suggestions=self._hide_suggestions,
        )
        if errors:
            raise Refused(errors)
        return document
