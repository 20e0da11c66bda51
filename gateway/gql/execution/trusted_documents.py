"""Documents that the operator trusts, by their hash.

A client sends the hash instead of the document, and a browser can cache the response to
a GET.
https://github.com/graphql/graphql-over-http/blob/main/spec/Appendix%20A%20--%20Persisted%20Documents.md
"""

import hashlib
from pathlib import Path
from typing import Self

from gateway.core.errors import FailedPrecondition, InvalidArgument
from gateway.gql.execution.documents import Documents
from gateway.gql.execution.errors import (
    PersistedQueryNotFound,
    PersistedQueryNotSupported,
    RequestError,
)

ID_PREFIX = "sha256:"


class TrustedDocuments:
    """Document texts by identifier:

    `sha256:` and the hex digest of the document's bytes.
    """

    def __init__(self, texts: dict[str, str] | None = None) -> None:
        self._texts = texts or {}

    @classmethod
    def from_folder(cls, folder: Path | None) -> Self:
        """All `*.graphql` files of the folder; none at all without a folder.

        Raises FailedPrecondition when the folder has no such file or cannot be read.
        """
        if folder is None:
            return cls()
        try:
            documents = [path.read_bytes() for path in sorted(folder.glob("*.graphql"))]
            texts = {
                ID_PREFIX + hashlib.sha256(document).hexdigest(): document.decode()
                for document in documents
            }
        except (OSError, UnicodeDecodeError) as exc:
            raise FailedPrecondition(
                f"GATEWAY_DOCUMENTS: cannot read {folder} ({type(exc).__name__}): "
                "check its permissions, and that its files are UTF-8"
            ) from None
        if not texts:
            raise FailedPrecondition(
                f"GATEWAY_DOCUMENTS: {folder} has no *.graphql files: name a folder that has some"
            )
        return cls(texts)

    def check(self, documents: Documents) -> None:
        """Raises FailedPrecondition for a document that does not fit the schema.

        The gateway calls it at start, so that the error does not wait for the first
        use.
        """
        for identifier, text in self._texts.items():
            try:
                documents.document(text)
            except RequestError as error:
                raise FailedPrecondition(
                    f"GATEWAY_DOCUMENTS: document {identifier} does not fit the schema: "
                    f"{error.errors[0].message}"
                ) from None

    def text(self, identifier: str) -> str:
        """Raises InvalidArgument for an unknown identifier."""
        try:
            return self._texts[identifier]
        except KeyError:
            raise InvalidArgument(
                "documentId names no trusted document: send the document itself as query"
            ) from None

    def persisted(self, digest: str, *, may_register: bool) -> str:
        """The document with this SHA-256 digest, for clients of Apollo's protocol.

        Raises PersistedQueryNotFound for an unknown digest. Raises
        PersistedQueryNotSupported if no document is trusted and clients may register
        none: they then stop sending digests.
        """
        if not self._texts and not may_register:
            raise PersistedQueryNotSupported
        try:
            return self._texts[ID_PREFIX + digest]
        except KeyError:
            raise PersistedQueryNotFound from None
