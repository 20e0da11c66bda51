"""Documents, parsed and validated once. Without this, validation is 61 % of a small query's time and parsing 13 %."""

from dataclasses import dataclass

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
from gateway.gql.execution.document_limits import BODY_BYTES, COMMENTS, TOKENS, check_document
from gateway.gql.execution.errors import Refused

COUNT = 1_000
BYTES = 32 * 1024 * 1024
# Measured with tracemalloc: 380 to 550 for a token's share of nodes and locations.
BYTES_PER_TOKEN = 600
MAX_ERRORS = 10


@dataclass(frozen=True, slots=True)
class _Kept:
    document: DocumentNode
    size: int


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
        self._count = count
        self._bytes = bytes_
        self._kept: dict[str, _Kept] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def document(self, text: str) -> DocumentNode:
        """Raises Refused for what is no document, passes a limit or does not fit the schema."""
        kept = self._kept.pop(text, None)
        if kept is None:
            document = self._checked(text)
            kept = _Kept(document, len(text) + BYTES_PER_TOKEN * document.token_count)
            self.size += kept.size
        self._kept[text] = kept  # A dict keeps its order: the oldest stands first.
        while len(self._kept) > self._count or self.size > self._bytes:
            self.size -= self._kept.pop(next(iter(self._kept))).size
        return kept.document

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
