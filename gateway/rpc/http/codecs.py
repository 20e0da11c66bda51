"""The two encodings of messages: protobuf's binary format and its JSON. Does no I/O.

https://protobuf.dev/programming-guides/json/
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Final, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from gateway.core.errors import InvalidArgument
from gateway.service.streams.encoded import EncodedMessage, EncodedMessages

M = TypeVar("M", bound=Message)


class Codec(ABC):
    name: str
    """As it stands in media types."""

    @abstractmethod
    def decode(self, data: bytes, message_class: type[M]) -> M:
        """Returns the message. Raises InvalidArgument or DecodeError."""

    @abstractmethod
    def encode(self, message: Message | EncodedMessage, message_class: type[Message]) -> bytes:
        """Returns the message's bytes. An EncodedMessage is one of `message_class`."""


class Proto(Codec):
    name = "proto"

    def decode(self, data: bytes, message_class: type[M]) -> M:
        return message_class.FromString(data)

    def encode(self, message: Message | EncodedMessage, message_class: type[Message]) -> bytes:
        return (
            message.encoded if isinstance(message, EncodedMessage) else message.SerializeToString()
        )


class Json(Codec):
    """Unknown fields are errors: a misspelled filter must not match everything."""

    name = "json"

    def __init__(self) -> None:
        self._encoded = EncodedMessages[tuple[bytes, type[Message]]]()

    def decode(self, data: bytes, message_class: type[M]) -> M:
        try:
            return json_format.Parse(data.decode(), message_class())
        except UnicodeDecodeError:
            raise InvalidArgument("the request is not UTF-8: send JSON in UTF-8") from None
        except json_format.ParseError as error:
            reason = " ".join(str(error).split())
            raise InvalidArgument(
                f"the request is not the JSON of {message_class.DESCRIPTOR.name}: {reason}"
            ) from None

    def encode(self, message: Message | EncodedMessage, message_class: type[Message]) -> bytes:
        if isinstance(message, EncodedMessage):
            return self._encode_once(message, message_class)
        return json_format.MessageToJson(message, indent=None, ensure_ascii=False).encode()

    def _encode_once(self, message: EncodedMessage, message_class: type[Message]) -> bytes:
        """Returns the JSON of a message that many streams may send."""
        key = (message.encoded, message_class)
        json = self._encoded.get(key)
        if json is None:
            decoded = message_class.FromString(message.encoded)
            json = EncodedMessage(self.encode(decoded, message_class), message.cursor)
            self._encoded.put(key, json)
        return json.encoded


CODECS: Final[Mapping[str, Codec]] = {codec.name: codec for codec in (Proto(), Json())}
"""Every codec by its name."""
