"""Writes the generated parts of the documentation: `make docs`. A test checks that they
are current.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`.
Everything else on a page is written by hand.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import typer
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    ServiceDescriptorProto,
)
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    Undefined,
    build_schema,
    get_named_type,
    print_ast,
)
from graphql.utilities import ast_from_value
from pydantic import BaseModel

from gateway.cli.main import cli
from gateway.core import caching
from gateway.core.errors import MEANING, REASONS, Code, GatewayError, render
from gateway.gql.execution import errors as gql_errors
from gateway.gql.execution.graphql_core import print_schema
from gateway.gql.schema.mutations.errors import ERROR_TYPES
from gateway.gql.schema.texts import PROTO_TEXTS
from gateway.rpc import errors as rpc_errors
from gateway.rpc import names as rpc_names
from gateway.settings import accounts, environment
from gateway.twilio import faults
from protos.generate import SERVICE_CONFIG, descriptors

ROOT: Final = Path(__file__).parent.parent
_BLOCK: Final = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> list[Path]:
    """Pages that have a generated part."""
    found = (ROOT / "docs").rglob("*.md")
    return sorted(page for page in found if _BLOCK.search(page.read_text()))


def generated(page: Path) -> str:
    """The page's text with its generated parts written again."""
    return _BLOCK.sub(
        lambda block: f"{block[1]}\n{BLOCKS[block[2]]().strip()}\n\n{block[3]}", page.read_text()
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# GraphQL


def graphql() -> str:
    schema = build_schema(print_schema())
    return "\n\n".join(_graphql_parts(schema))


def _graphql_parts(schema: GraphQLSchema) -> Iterator[str]:
    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
    for title, root in zip(("Queries", "Mutations", "Subscriptions"), roots, strict=True):
        assert root is not None
        yield f"## {title}"
        for name, field in root.fields.items():
            yield from _root_field(root.name, name, field)
    named = [
        type_
        for name, type_ in sorted(schema.type_map.items())
        if not name.startswith("__") and type_ not in roots
    ]
    for title, kind in (
        ("Interfaces", GraphQLInterfaceType),
        ("Objects", GraphQLObjectType),
        ("Inputs", GraphQLInputObjectType),
        ("Enums", GraphQLEnumType),
        ("Scalars", GraphQLScalarType),
    ):
        yield f"## {title}"
        for type_ in named:
            if isinstance(type_, kind) and type_.name not in _BUILT_IN:
                yield from _graphql_type(type_)


_BUILT_IN: Final = {"String", "Int", "Float", "Boolean", "ID"}


def _root_field(root: str, name: str, field: GraphQLField) -> Iterator[str]:
    yield f"### {root}.{name}"
    yield f"Returns {_type_link(field.type)}."
    if field.description:
        yield field.description
    if field.args:
        yield _arguments(field.args)


def _arguments(arguments: dict[str, GraphQLArgument]) -> str:
    return _table(
        ("argument", "type", "default", "description"),
        (
            (f"`{name}`", _type_link(argument.type), _default(argument), _described(argument))
            for name, argument in arguments.items()
        ),
    )


def _default(given: GraphQLArgument | GraphQLInputField) -> str:
    value = given.ast_node.default_value if given.ast_node is not None else None
    if value is not None:
        return f"`{print_ast(value)}`"
    if given.default_value is not Undefined:
        node = ast_from_value(given.default_value, given.type)
        return "" if node is None else f"`{print_ast(node)}`"
    return ""


def _type_link(type_: Any) -> str:
    named = get_named_type(type_)
    return f"`{type_}`" if named.name in _BUILT_IN else f"[`{type_}`](#{named.name.lower()})"


def _graphql_type(type_: GraphQLNamedType) -> Iterator[str]:
    yield f"### {type_.name}"
    if type_.description:
        yield type_.description
    match type_:
        case GraphQLObjectType() | GraphQLInterfaceType():
            yield from _fields(type_)
        case GraphQLInputObjectType():
            rows = (
                (f"`{name}`", _type_link(field.type), _default(field), _described(field))
                for name, field in type_.fields.items()
            )
            yield _table(("field", "type", "default", "description"), rows)
        case GraphQLEnumType():
            values = ((f"`{name}`", _described(value)) for name, value in type_.values.items())
            yield _table(("value", "description"), values)


def _fields(type_: GraphQLObjectType | GraphQLInterfaceType) -> Iterator[str]:
    inherited = {name for above in type_.interfaces for name in above.fields}
    if type_.interfaces:
        links = ", ".join(f"[{above.name}](#{above.name.lower()})" for above in type_.interfaces)
        whose = "its" if len(type_.interfaces) == 1 else "their"
        yield f"Implements {links}, and has {whose} fields."
    own = {name: field for name, field in type_.fields.items() if name not in inherited}
    if own:
        rows = (
            (f"`{name}`", _type_link(field.type), _described(field)) for name, field in own.items()
        )
        yield _table(("field", "type", "description"), rows)


def _described(
    field: GraphQLField | GraphQLInputField | GraphQLArgument | GraphQLEnumValue,
) -> str:
    parts = [field.description] if field.description else []
    if isinstance(field, GraphQLField) and field.args:
        parts.append(
            "Arguments: " + ", ".join(f"`{name}: {arg.type}`" for name, arg in field.args.items())
        )
    if field.deprecation_reason:
        parts.append(f"Deprecated: {field.deprecation_reason}")
    return " ".join(parts)


# gRPC

_SCALARS: Final = {
    FieldDescriptorProto.Type.Value(name): name.removeprefix("TYPE_").lower()
    for name in FieldDescriptorProto.Type.keys()  # noqa: SIM118 - an enum wrapper, not a dict
}


def grpc() -> str:
    protos = descriptors()
    parts: list[str] = ["## Services"]
    for proto in protos:
        for service in proto.service:
            parts += _service(service)
    parts.append("## Messages")
    for proto in protos:
        for message in proto.message_type:
            parts += _message(message)
    parts.append("## Enums")
    for proto in protos:
        for enum in proto.enum_type:
            parts += _enum(enum)
    return "\n\n".join(part for part in parts if part)


def service_config() -> str:
    return f"```json\n{(ROOT / SERVICE_CONFIG).read_text()}```"


def _comment(*names: str) -> str:
    return PROTO_TEXTS.get(".".join(names), "")


def _service(service: ServiceDescriptorProto) -> Iterator[str]:
    yield f"### {service.name}"
    yield _comment(service.name)
    yield _table(
        ("method", "request", "response", "description"),
        (
            (
                f"`{method.name}`",
                _message_link(method.input_type),
                ("stream of " if method.server_streaming else "")
                + _message_link(method.output_type),
                _comment(service.name, method.name),
            )
            for method in service.method
        ),
    )


def _message(message: DescriptorProto) -> Iterator[str]:
    yield f"### {message.name}"
    yield _comment(message.name)
    if not message.field:
        yield "No fields."
        return
    yield _table(
        ("no.", "field", "type", "description"),
        (
            (
                str(field.number),
                f"`{field.name}`",
                _field_type(field, message),
                _comment(message.name, field.name),
            )
            for field in message.field
        ),
    )


def _field_type(field: FieldDescriptorProto, message: DescriptorProto) -> str:
    name = _message_link(field.type_name) if field.type_name else f"`{_SCALARS[field.type]}`"
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {name}"
    if field.proto3_optional:
        return f"optional {name}"
    if field.HasField("oneof_index"):
        return f"{name}, one of `{message.oneof_decl[field.oneof_index].name}`"
    return name


def _message_link(full_name: str) -> str:
    name = full_name.rpartition(".")[2]
    own = full_name.startswith(".rooms_gateway.v1.")
    return f"[`{name}`](#{name.lower()})" if own else f"`{full_name.removeprefix('.')}`"


def _enum(enum: EnumDescriptorProto) -> Iterator[str]:
    yield f"### {enum.name}"
    yield _comment(enum.name)
    yield _table(
        ("no.", "value", "description"),
        (
            (str(value.number), f"`{value.name}`", _comment(enum.name, value.name))
            for value in enum.value
        ),
    )


# The command line


def command_line() -> str:
    group: Any = typer.main.get_command(cli)
    return "\n\n".join(_commands(group, "rooms-gateway"))


def _commands(group: Any, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        else:
            yield from _command(command, f"{path} {name}")


def _command(command: Any, path: str) -> Iterator[str]:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [
        param for param in command.params if param.param_type_name == "option" and not param.hidden
    ]
    usage = [path, *(["[OPTIONS]"] if options else [])]
    usage += [f"[{param.name.upper()}]" for param in arguments]
    yield f"## {path.removeprefix('rooms-gateway ')}"
    yield (command.help or "").strip()
    yield f"`{' '.join(usage)}`"
    rows = [(f"`{param.name.upper()}`", _shown_default(param), param.help) for param in arguments]
    rows += [(_option_names(param), _shown_default(param), param.help) for param in options]
    if rows:
        yield _table(("option", "default", "description"), rows)


def _option_names(param: Any) -> str:
    return " / ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))


def _shown_default(param: Any) -> str:
    if param.default is None:
        return ""
    if isinstance(param.default, bool):
        return "on" if param.default else "off"
    return f"`{param.default}`"


# Settings


def settings() -> str:
    return _table(
        ("variable", "default", "description"),
        (
            (f"`{name.upper()}`", _setting_default(field), field.description or "")
            for name, field in environment.Settings.model_fields.items()
        ),
    )


def _settings_of(model: type[BaseModel]) -> Callable[[], str]:
    return lambda: _table(
        ("field", "default", "description"),
        (
            (f"`{name}`", _setting_default(field), field.description or "")
            for name, field in model.model_fields.items()
        ),
    )


def _setting_default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value == ():
        return "unset"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(f"`{each}`" for each in value)
    return f"`{str(value).rstrip('/')}`" if not isinstance(value, float) else f"`{value:g}`"


# Errors


def error_codes() -> str:
    errors = {error.code: error for error in GatewayError.__subclasses__()}
    return _table(
        ("code", "reasons", "GraphQL `extensions.code`", "HTTP", "gRPC", "retryable"),
        (
            (
                f"`{code}`",
                ", ".join(f"`{reason}`" for reason in REASONS[code]),
                f"`{gql_errors.GRAPHQL_CODE[code]}`",
                str(gql_errors.HTTP_STATUS[code]),
                f"`{rpc_errors.STATUS[code].name}`",
                "yes" if errors[code].is_retryable else "no",
            )
            for code in Code
        ),
    )


def reasons() -> str:
    return _table(
        ("reason", "meaning", "GraphQL type", "gRPC"),
        (
            (
                f"`{reason}`",
                render(MEANING[reason], lambda name: f"`{rpc_names.name_of(name)}`"),
                f"`{ERROR_TYPES[reason].__name__}`" if reason in ERROR_TYPES else "",
                f"`{rpc_errors.STATUS[code].name}`",
            )
            for code in Code
            for reason in REASONS[code]
        ),
    )


def twilio_codes() -> str:
    return _table(
        ("Twilio code", "reason", "message"),
        (
            (
                str(code),
                f"`{meaning.build(None, None).reason}`",
                meaning.build(None, None).text(rpc_names.name_of),
            )
            for code, meaning in sorted(faults.MEANINGS.items())
        ),
    )


# Lifetimes

_MINUTE: Final = 60
_HOUR: Final = 3600


def lifetimes() -> str:
    answers = (
        ("room in progress", caching.LIVE_ROOM_LIFETIME),
        ("room completed or failed", caching.ENDED_ROOM_LIFETIME),
        ("participants, tracks and subscribe rules of a live room", caching.PARTICIPANTS_LIFETIME),
        ("lists of rooms", caching.ROOM_LIST_LIFETIME),
        ("recordings, recording rules, transcriptions", caching.MEDIA_LIFETIME),
        (
            "lists of Insights, and summaries that Twilio still works on",
            caching.UNFINISHED_SUMMARY_LIFETIME,
        ),
        ("complete Insights summaries", caching.SUMMARY_LIFETIME),
    )
    rows = [
        (
            name,
            _duration(lifetime.fresh_until_s),
            _duration(lifetime.refresh_until_s)
            if lifetime.refresh_until_s > lifetime.fresh_until_s
            else "–",
            _duration(lifetime.stand_in_until_s),
        )
        for name, lifetime in answers
    ]
    settling = caching.SETTLING
    rows.append(
        (
            "any of these but lists of rooms, fetched within 3 s of an event",
            _duration(settling.fresh_until_s),
            "–",
            f"as above, {_duration(settling.stand_in_until_s)} at most",
        )
    )
    rows.append(("“no such room”, by SID", _duration(caching.MISSING_SID_S), "–", "–"))
    rows.append(("“no such room”, by name", _duration(caching.MISSING_NAME_S), "–", "–"))
    headings = ("answer", "fresh until", "served and refreshed until", "stands in until")
    return _table(headings, rows)


def _duration(seconds: float) -> str:
    if seconds >= _HOUR:
        return f"{seconds / _HOUR:g} h"
    if seconds > 2 * _MINUTE:
        return f"{seconds / _MINUTE:g} min"
    return f"{seconds:g} s"


# Promises

_PROOF: Final = re.compile(r"test_([ip])([0-9]+)_")


def proofs() -> str:
    """For each invariant and promise, the modules that have a test named after it."""
    found: dict[tuple[str, int], set[str]] = defaultdict(set)
    for module in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                named = _PROOF.match(node.name)
                if named is not None:
                    found[named[1], int(named[2])].add(str(module.relative_to(ROOT)))
    return _table(
        ("promise", "tests named after it"),
        (
            (
                f"I-{number}" if letter == "i" else f"P{number}",
                ", ".join(
                    f"[`{path.removeprefix('tests/')}`](../../{path})" for path in sorted(paths)
                ),
            )
            for (letter, number), paths in sorted(found.items())
        ),
    )


# Decisions


def decisions() -> str:
    records = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    return "\n".join(f"- [{_title(record)}]({record.name})" for record in records)


def _title(page: Path) -> str:
    return page.read_text().partition("\n")[0].removeprefix("# ")


BLOCKS: Final[dict[str, Callable[[], str]]] = {
    "graphql": graphql,
    "grpc": grpc,
    "service-config": service_config,
    "cli": command_line,
    "settings": settings,
    "account-settings": _settings_of(accounts.AccountSettings),
    "api-key-settings": _settings_of(accounts.ApiKeySettings),
    "jwt-issuer-settings": _settings_of(accounts.JwtIssuerSettings),
    "error-codes": error_codes,
    "reasons": reasons,
    "twilio-codes": twilio_codes,
    "lifetimes": lifetimes,
    "proofs": proofs,
    "decisions": decisions,
}


if __name__ == "__main__":
    for path in pages():
        path.write_text(generated(path))
