"""Read masks: the fields that a caller wants to see. Does no I/O. https://google.aip.dev/157

A mask's paths name fields of the resource that the response holds in its first field.
"""

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message

from gateway.core.errors import InvalidArgument

PATHS_LIMIT: Final = 100
"""More than any resource has fields."""

MaskTree = dict[str, "MaskTree"]
"""The fields to keep; those with an empty tree are kept whole."""


def parse_mask(method: str, request: Message) -> MaskTree:
    """The tree of the request's read_mask, empty when it asks for everything. `method` is the method's path.

    Raises InvalidArgument for too many paths and for one that names no field.
    """
    if "read_mask" not in request.DESCRIPTOR.fields_by_name:
        return {}
    paths = getattr(request, "read_mask").paths  # noqa: B009 - only some messages have it
    if not paths or list(paths) == ["*"]:
        return {}
    if len(paths) > PATHS_LIMIT:
        raise InvalidArgument(f"read_mask has {len(paths)} paths; give up to {PATHS_LIMIT}")
    resource = _resource(method)
    tree: MaskTree = {}
    for place, path in enumerate(paths):
        if not _is_path(path, resource):
            names = ", ".join(field.name for field in resource.fields)
            raise InvalidArgument(
                f"read_mask.paths[{place}] names no field of {resource.name}; give paths that begin with {names}"
            )
        _add(tree, path.split("."))
    return tree


def prune(response: Message, tree: MaskTree) -> None:
    """Clears in each resource of the response what the tree does not hold."""
    if tree:
        for resource in _parts(response, response.DESCRIPTOR.fields_by_number[1].name):
            _keep(resource, tree)


def _resource(method: str) -> Descriptor:
    found: Any = Default().FindMethodByName(method.removeprefix("/").replace("/", "."))
    resource: Descriptor = found.output_type.fields_by_number[1].message_type
    return resource


def _is_path(path: str, descriptor: Descriptor) -> bool:
    """A list may stand at a path's end only. https://protobuf.dev/reference/protobuf/google.protobuf/#field-mask"""
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
    *above, last = names
    for name in above:
        if tree.get(name) == {}:
            return  # kept whole already
        tree = tree.setdefault(name, {})
    tree[last] = {}


def _keep(message: Message, tree: MaskTree) -> None:
    for field, _ in message.ListFields():
        if field.name not in tree:
            message.ClearField(field.name)
        elif below := tree[field.name]:
            for part in _parts(message, field.name):
                _keep(part, below)


def _parts(message: Message, name: str) -> Iterator[Message]:
    if message.DESCRIPTOR.fields_by_name[name].is_repeated:
        yield from getattr(message, name)
    elif message.HasField(name):
        yield getattr(message, name)
