# ruff: noqa: UP031 - with format strings, every brace of GraphQL would be doubled
"""GraphQL documents that cost much to refuse or to accept, for the tests of the limits.

`python -m tests.gql.execution.hostile_documents` prints the CPU time of each.
"""

import gc
import time
from collections.abc import Iterator

from gateway.gql.execution.documents import Documents
from gateway.gql.execution.errors import RequestError
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.gql.execution.results import error_result

_SID = '"RM00000000000000000000000000000001"'


def _fragments(count: int, body: str = "__typename", on: str = "Query") -> str:
    return " ".join(f"fragment F{n} on {on} {{ {body} }}" for n in range(count))


def _spreads(count: int) -> str:
    return " ".join(f"...F{n}" for n in range(count))


def _operations(count: int, body: str, head: str = "") -> str:
    return " ".join(f"query Q{n}{head} {{ {body} }}" for n in range(count))


def _nested(depth: int, body: str = "__typename") -> str:
    return "... { " * depth + body + " }" * depth


def _unreached() -> Iterator[tuple[str, str]]:
    """Fragments that no operation spreads."""
    yield (
        "one unused fragment",
        "{__typename} fragment F on Query { %s }" % ("quota { source } " * 240),
    )
    yield "unused, one field", "{__typename} fragment F on Query { %s }" % ("gateway " * 980)
    yield "unused, wide", "{__typename} fragment F on Query { quota { %s } }" % ("source " * 970)
    yield "unused, nested", "{__typename} fragment F on Query { %s }" % _nested(320)
    for count in (20, 100, 140):
        yield f"{count} unused fragments", "{__typename} " + _fragments(count)
    yield (
        "unused fragments that spread each other",
        "{__typename} " + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(120)),
    )
    yield (
        "an unused cycle",
        "{__typename} "
        + " ".join(f"fragment F{n} on Query {{ ...F{(n + 1) % 120} }}" for n in range(120)),
    )
    yield (
        "an unused fragment that doubles",
        "{__typename} "
        + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(100)),
    )
    yield (
        "unused fragments that all spread all",
        "{__typename} " + _fragments(19, _spreads(19)),
    )
    yield (
        "the first of two definitions",
        "{...F} fragment F on Query { %s } fragment F on Query { __typename }"
        % ("quota { source } " * 230),
    )
    yield (
        "the second of two definitions",
        "{...F} fragment F on Query { __typename } fragment F on Query { %s }"
        % ("quota { source } " * 230),
    )


def _operation_counts() -> Iterator[tuple[str, str]]:
    """Many operations in one document."""
    for count in (10, 50, 140):
        yield f"{count} unknown spreads", _operations(count, "...Unknown")
        yield f"{count} operations", _operations(count, "__typename")
        yield f"{count} unknown fields", _operations(count, "nothing")
    yield "140 anonymous operations", "{__typename} " * 240
    yield "140 operations of one name", "query Q { __typename } " * 160
    yield (
        "operations that spread one chain",
        _operations(60, "...F0")
        + " ".join(f" fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(50))
        + " fragment F50 on Query { __typename }",
    )
    for count in (10, 90):
        yield (
            f"{count} operations that spread one wide fragment",
            _operations(count, "...F") + " fragment F on Query { quota { %s } }" % ("x " * 380),
        )
        yield (
            f"{count} operations that spread unknown fragments below",
            _operations(count, "...F") + " fragment F on Query { %s }" % ("...U " * 190),
        )
    yield (
        "operations with variables",
        _operations(10, "node(id: $v0) { id }", "(%s)" % " ".join(f"$v{n}: ID" for n in range(25))),
    )
    yield (
        "operations with undefined variables",
        _operations(10, " ".join(f"n{n}: node(id: $w{n}) {{ id }}" for n in range(1)) + "...F")
        + " fragment F on Query { %s }" % " ".join(f"node(id: $v{n}) {{ id }}" for n in range(9)),
    )
    yield (
        "operations that spread all fragments",
        _operations(10, _spreads(19)) + " " + _fragments(19),
    )
    yield (
        "operations that spread fragments with variables",
        _operations(10, _spreads(10), "($v: ID)") + " " + _fragments(10, "node(id: $v) { id }"),
    )


def _repetitions() -> Iterator[tuple[str, str]]:
    """Fields that validation compares with each other."""
    for count in (10, 240):
        yield f"{count} objects", "{ %s }" % ("quota { source } " * count)
        yield f"{count} fields", "{ quota { %s } }" % ("source " * count)
        yield f"{count} typenames", "{ %s }" % ("__typename " * count)
    yield (
        "10 by 10",
        "{ %s }" % ("rooms { %s } " % ("nodes { sid } " * 10) * 10),
    )
    yield (
        "10 by 10 by 3",
        "{ %s }" % (("rooms { %s } " % (("nodes { %s } " % ("sid " * 3)) * 10)) * 10),
    )
    yield "arguments", "{ %s }" % (("nodes(ids: [%s]) { id } " % ('"x" ' * 85)) * 10)
    yield (
        "objects as arguments",
        "{ %s }"
        % (("rooms(filter: {statuses: [%s]}) { totalCount } " % ("IN_PROGRESS " * 75)) * 10),
    )
    yield "inline fragments", "{ %s }" % ("... { __typename } " * 190)
    yield "inline fragments with a type", "{ %s }" % ("... on Query { quota { source } } " * 90)
    yield "nested inline fragments", "{ %s }" % _nested(330)
    yield "nested fields", "{ a " * 330 + "}" * 330
    yield "aliases", "{ %s }" % " ".join(f"a{n}: __typename" for n in range(300))
    yield "different fields", "{ quota { %s } }" % " ".join(f"f{n}" for n in range(900))
    yield "different root fields", "{ %s }" % " ".join(f"f{n}" for n in range(900))
    yield (
        "interfaces",
        "{ nodes(ids: []) { %s } }"
        % " ".join(
            f"... on {name} {{ id }}"
            for name in ("Room", "Participant", "Recording", "Transcription") * 10
        ),
    )
    yield (
        "all message types",
        "subscription { roomEvents { %s } }"
        % " ".join(
            f"... on {name} {{ cursor room {{ id sid }} }}"
            for name in EXECUTABLE_SCHEMA.type_map
            if name.startswith(("Room", "Participant", "Track", "Recording"))
        ),
    )


def _spread_fragments() -> Iterator[tuple[str, str]]:
    """Fragments that operations spread."""
    for count in (19, 30, 60, 100):
        yield f"{count} fragments", "{ %s } %s" % (_spreads(count), _fragments(count))
        yield (
            f"{count} fragments of one field",
            "{ %s } %s" % (_spreads(count), _fragments(count, "quota { source }")),
        )
    for count in (19, 60, 90):
        yield (
            f"{count} fragments in a chain",
            "{ ...F0 } "
            + " ".join(f"fragment F{n} on Query {{ __typename ...F{n + 1} }}" for n in range(count))
            + f" fragment F{count} on Query {{ quota {{ source }} }}",
        )
        yield (
            f"{count} fragments, each twice",
            "{ ...F0 } "
            + " ".join(
                f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(count)
            )
            + f" fragment F{count} on Query {{ quota {{ source }} }}",
        )
    yield "one fragment 480 times", "{ %s } fragment F on Query { __typename }" % ("...F " * 480)
    yield (
        "fragments that all spread all",
        "{ ...F0 } "
        + " ".join(
            "fragment F%d on Query { __typename %s }"
            % (n, " ".join(f"...F{m}" for m in range(n + 1, 19)))
            for n in range(19)
        ),
    )
    yield (
        "fragments against fragments",
        "{ %s } %s"
        % (
            _spreads(24),
            " ".join(
                "fragment F%d on Query { rooms { nodes { %s } } }"
                % (n, " ".join(f"f{n}x{m}" for m in range(20)))
                for n in range(24)
            ),
        ),
    )
    yield (
        "different fields in fragments",
        "{ rooms { nodes { %s } } } %s"
        % (
            _spreads(30),
            " ".join(
                "fragment F%d on Room { %s }" % (n, " ".join(f"f{n}x{m}" for m in range(20)))
                for n in range(30)
            ),
        ),
    )
    yield (
        "valid fields in fragments",
        "{ rooms { nodes { %s } } } %s"
        % (
            _spreads(9),
            _fragments(
                9, "id sid uniqueName status type createTime endTime durationSeconds", "Room"
            ),
        ),
    )
    yield (
        "a cycle",
        "{ ...F0 } "
        + " ".join(f"fragment F{n} on Query {{ ...F{(n + 1) % 100} }}" for n in range(100)),
    )
    yield "unknown fragments", "{ %s }" % " ".join(f"...U{n}" for n in range(490))
    yield "unknown fragments below", "{ %s }" % ("quota { ...U } " * 190)
    yield "unknown types", "{ %s }" % " ".join(f"... on U{n} {{ id }}" for n in range(160))
    yield (
        "fragments on unknown types",
        "{ %s } %s"
        % (
            _spreads(100),
            " ".join(f"fragment F{n} on U{n} {{ id }}" for n in range(100)),
        ),
    )


def _compared_fragments() -> Iterator[tuple[str, str]]:
    """Fragments whose fields validation compares."""
    for count in (19, 30, 60, 90):
        for body in ("id", "id __typename", "nodes { id }", "a: id", "f(a: 1)", "f(a: [1 2 3 4])"):
            yield (
                f"{count} fragments of {body}",
                "{ rooms { %s } } %s"
                % (_spreads(count), _fragments(count, body, "RoomConnection")),
            )
    for count in (10, 30, 50):
        yield (
            f"{count} fragments with long arguments",
            "{ %s } %s"
            % (
                _spreads(count),
                _fragments(count, "nodes(ids: [%s]) { id }" % ('"x" ' * (800 // count - 15))),
            ),
        )
        yield (
            f"{count} fragments with objects as arguments",
            "{ %s } %s"
            % (
                _spreads(count),
                _fragments(
                    count,
                    "rooms(filter: {statuses: [%s]}) { totalCount }"
                    % ("COMPLETED " * max(1, 800 // count - 22)),
                ),
            ),
        )


def _values() -> Iterator[tuple[str, str]]:
    """Arguments, variables and directives."""
    yield "a long list", "{ nodes(ids: [%s]) { id } }" % ('"x" ' * 980)
    yield "a list of wrong values", "{ nodes(ids: [%s]) { id } }" % ("[] " * 480)
    yield "a nested list", "{ nodes(ids: %s) { id } }" % ("[" * 480 + "]" * 480)
    yield (
        "a nested object",
        "{ rooms(filter: %s) { totalCount } }" % ("{a: " * 240 + "1" + "}" * 240),
    )
    yield (
        "a wide object",
        "{ rooms(filter: {%s}) { totalCount } }" % " ".join(f"a{n}: 1" for n in range(320)),
    )
    yield "one field of an object", "{ rooms(filter: {%s}) { totalCount } }" % ("first: 1 " * 320)
    yield (
        "many arguments",
        "{ rooms(%s) { totalCount } }" % " ".join(f"a{n}: 1" for n in range(320)),
    )
    yield "one argument", "{ rooms(%s) { totalCount } }" % ("first: 1 " * 320)
    yield "many variables", "query(%s) { __typename }" % " ".join(f"$v{n}: ID" for n in range(240))
    yield "one variable", "query(%s) { __typename }" % ("$v: ID " * 240)
    yield (
        "variables of unknown types",
        "query(%s) { __typename }" % " ".join(f"$v{n}: U{n}" for n in range(240)),
    )
    yield "deep types", "query($v: %s) { __typename }" % ("[" * 480 + "ID" + "]" * 480)
    yield (
        "used variables",
        "query(%s) { nodes(ids: [%s]) { id } }"
        % (
            " ".join(f"$v{n}: ID!" for n in range(160)),
            " ".join(f"$v{n}" for n in range(160)),
        ),
    )
    yield "defaults", "query(%s) { __typename }" % " ".join(f"$v{n}: [ID] = []" for n in range(120))
    yield (
        "undefined variables",
        "query Q { nodes(ids: [%s]) { id } }" % " ".join(f"$v{n}" for n in range(480)),
    )
    yield "directives", "{ __typename %s }" % ("@skip(if: false) " * 160)
    yield "unknown directives", "{ __typename %s }" % ("@u " * 480)
    yield "a directive for each field", "{ %s }" % ("__typename @skip(if: true) " * 130)
    yield "defer", "{ %s }" % ("... @defer { quota { source } } " * 90)
    yield "a long string", '{ node(id: "%s") { id } }' % ("x" * 60_000)
    yield "a block string", '{ node(id: """%s""") { id } }' % ("\n" * 60_000)
    yield "escapes", '{ node(id: "%s") { id } }' % ("\\u0041" * 10_000)
    yield "a long name", "{ %s }" % ("x" * 60_000)
    yield "long names", "{ %s }" % " ".join("x" * 500 + str(n) for n in range(120))
    yield "comments", "#\n" * 30_000 + "{ __typename }"
    yield "commas", "{ __typename %s }" % ("," * 60_000)
    yield "a large number", "{ rooms(first: %s) { totalCount } }" % ("9" * 60_000)
    yield "a syntax error at the end", "{ %s" % ("__typename " * 990)
    yield "too many tokens", "{ %s }" % ("a " * 30_000)


def _other() -> Iterator[tuple[str, str]]:
    yield "type definitions", "type T { a: Int } " * 120
    yield "extensions", "{ __typename } " + "extend type Query { a: Int } " * 110
    yield "schema definitions", "{ __typename } " + "schema { query: Query } " * 150
    yield "directive definitions", "{ __typename } " + "directive @a on FIELD " * 190
    yield "enum definitions", "{ __typename } enum E { %s }" % " ".join(f"A{n}" for n in range(900))
    yield "introspection", "{ __schema { types { %s } } }" % ("fields { name } " * 200)
    yield (
        "deep introspection",
        "{ __schema { types { %s } } }" % ("fields { type { " * 100 + "name" + " } }" * 100),
    )
    yield "subscription root fields", "subscription { %s }" % ("roomEvents { cursor } " * 10)
    yield (
        "subscription fragments",
        "subscription { %s } %s"
        % (
            _spreads(19),
            _fragments(19, "roomEvents { cursor }", "Subscription"),
        ),
    )
    yield (
        "wide page",
        "{ rooms { nodes { participants { nodes { publishedTracks { nodes { %s } } } } } } }"
        % ("name " * 10),
    )


def hostile_documents() -> dict[str, str]:
    """The documents by name."""
    groups = (
        _unreached,
        _operation_counts,
        _repetitions,
        _spread_fragments,
        _compared_fragments,
        _values,
        _other,
    )
    return {name: text for group in groups for name, text in group()}


def refuse_or_accept(documents: Documents, text: str) -> str:
    """Parses and validates. Returns the first error, or an empty text."""
    try:
        documents.document(text)
    except RequestError as error:
        return str(error_result(error, "trace").errors[0]["message"])
    return ""


def _measure() -> None:
    rows = []
    for name, text in hostile_documents().items():
        times = []
        for _ in range(3):
            documents = Documents(EXECUTABLE_SCHEMA, introspection=False)
            gc.collect()
            begin = time.process_time()
            message = refuse_or_accept(documents, text)
            times.append(time.process_time() - begin)
        rows.append((min(times) * 1000, name, message[:90]))
    for ms, name, message in sorted(rows, reverse=True):
        print(f"{ms:7.1f} ms  {name:48} {message or 'accepted'}")
    print(f"{len(rows)} documents")


if __name__ == "__main__":
    _measure()
