"""Documents that the operator trusts: known by their hash, so that a client need not send them, and a GET of one can be
kept by the browser.

https://github.com/graphql/graphql-over-http/blob/main/spec/Appendix%20A%20--%20Persisted%20Documents.md
"""

import hashlib
from pathlib import Path
from typing import Self

from gateway.core.errors import FailedPrecondition, InvalidArgument
from gateway.gql.execution.documents import Documents
from gateway.gql.execution.errors import Refused

PREFIX = "sha256:"


class TrustedDocuments:
    """By document identifier: `sha256:` and the hex digest of the document's text, byte for byte."""

    def __init__(self, texts: dict[str, str] | None = None) -> None:
        self._texts = texts or {}

    @classmethod
    def of(cls, folder: Path | None) -> Self:
        """Every `*.graphql` of the folder. Raises FailedPrecondition when it cannot be read."""
        if folder is None:
            return cls()
        try:
            found = [path.read_bytes() for path in sorted(folder.glob("*.graphql"))]
            texts = {PREFIX + hashlib.sha256(text).hexdigest(): text.decode() for text in found}
        except (OSError, UnicodeDecodeError) as exc:
            raise FailedPrecondition(
                f"GATEWAY_DOCUMENTS: {folder} cannot be read ({type(exc).__name__})"
            ) from None
        if not texts:
            raise FailedPrecondition(
                f"GATEWAY_DOCUMENTS: {folder} has no *.graphql; name a folder that has"
            )
        return cls(texts)

    def check(self, documents: Documents) -> None:
        """Raises FailedPrecondition for a document that does not fit the schema: better now than at its first use."""
        for identifier, text in self._texts.items():
            try:
                documents.document(text)
            except Refused as refused:
                raise FailedPrecondition(
                    f"GATEWAY_DOCUMENTS: the document {identifier} does not fit the schema: {refused.errors[0].message}"
                ) from None

    def text(self, identifier: str) -> str:
        """Raises InvalidArgument for one that is not known."""
        try:
            return self._texts[identifier]
        except KeyError:
            raise InvalidArgument(
                "documentId is of no document known here; send the document itself as query"
            ) from None
