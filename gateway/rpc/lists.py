"""Bounds every repeated field of a request. Does no I/O."""

from google.protobuf.message import Message

from gateway.core.errors import InvalidArgument, Path
from gateway.core.validation import LIST_LIMIT


def check_lists(request: Message) -> None:
    """Raises InvalidArgument for a repeated field, at any depth, with too many entries.

    It comes before any work with the entries. Most fields have a lower limit of their
    own, which the core checks.
    """
    pending: list[tuple[Path, Message]] = [((), request)]
    while pending:
        path, message = pending.pop()
        for field, value in message.ListFields():
            here = (*path, field.name)
            if not field.is_repeated:
                if field.message_type is not None:
                    pending.append((here, value))
                continue
            if len(value) > LIST_LIMIT:
                raise InvalidArgument.at(
                    here, f"has {len(value):,} entries; give up to {LIST_LIMIT}"
                )
            if field.message_type is not None:
                pending.extend(((*here, index), entry) for index, entry in enumerate(value))
