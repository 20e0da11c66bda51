"""Read masks: the fields that a caller wants in a response. Does no I/O.

The paths of a mask name fields of the resource, which is the first field of the
response.

https://google.aip.dev/157
"""

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message

from gateway.core.errors import InvalidArgument

# No resource has so many fields.
PATHS_LIMIT: Final = 100

MaskTree = dict[str, "MaskTree"]
"""The fields to keep. A field with an empty tree is kept whole."""


def parse_mask(method: str, request: Message) -> MaskTree:
    """Returns the fields that the read_mask keeps. An empty tree keeps all fields.

    `method` is the method's path. Raises InvalidArgument for too many paths, and for a
    path that names no field.
    """
    if "read_mask" not in request.DESCRIPTOR.fields_by_name:
        return {}
    message: Any = request
    paths = message.read_mask.paths
    if not paths or list(paths) == ["*"]:
        return {}
    if len(paths) > PATHS_LIMIT:
        raise InvalidArgument.at("read_mask", f"has {len(paths)} paths: send up to {PATHS_LIMIT}")
    resource = _resource(method)
    tree: MaskTree = {}
    for index, path in enumerate(paths):
        if not _is_path(path, resource):
            names = ", ".join(field.name for field in resource.fields)
            raise InvalidArgument.at(
                ("read_mask", "paths", index),
                f"names no field of {resource.name}: start the path with one of {names}",
            )
        _add(tree, path.split("."))
    return tree


def prune(response: Message, tree: MaskTree) -> None:
    """Clears the fields of the response's resources that the tree does not keep."""
    if tree:
        for resource in _messages(response, response.DESCRIPTOR.fields_by_number[1].name):
            _prune(resource, tree)


def _resource(method: str) -> Descriptor:
    descriptor: Any = Default().FindMethodByName(method.removeprefix("/").replace("/", "."))
    resource: Descriptor = descriptor.output_type.fields_by_number[1].message_type
    return resource


def _is_path(path: str, descriptor: Descriptor) -> bool:
    # A repeated field is allowed at the end of a path only.
    # https://protobuf.dev/reference/protobuf/google.protobuf/#field-mask
    first, _, rest = path.partition(".")
    field = descriptor.fields_by_name.get(first)
    if field is None:
        return False
    if "." not in path:
        return True
    return (
        field.message_type is not None
        and not field.is_repeated
        and _is_path(rest, field.message_type)
    )


def _add(tree: MaskTree, names: list[str]) -> None:
    *parents, last = names
    for name in parents:
        if tree.get(name) == {}:
            return  # a shorter path keeps the whole field
        tree = tree.setdefault(name, {})
    tree[last] = {}


def _prune(message: Message, tree: MaskTree) -> None:
    for field, _ in message.ListFields():
        if field.name not in tree:
            message.ClearField(field.name)
        elif subtree := tree[field.name]:
            for part in _messages(message, field.name):
                _prune(part, subtree)


def _messages(message: Message, name: str) -> Iterator[Message]:
    if message.DESCRIPTOR.fields_by_name[name].is_repeated:
        yield from getattr(message, name)
    elif message.HasField(name):
        yield getattr(message, name)
