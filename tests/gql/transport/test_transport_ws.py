"""The protocol as values: what a session returns for each frame."""

from typing import Any

import msgspec
import pytest

from gateway.core.errors import (
    GatewayError,
    Internal,
    PermissionDenied,
    Throttled,
    Unauthenticated,
    UpstreamUnavailable,
)
from gateway.gql.transport.transport_ws import (
    MAX_ID_CHARS,
    MAX_OPERATIONS,
    MESSAGE_RATE,
    PROTOCOL,
    Action,
    Authenticate,
    CancelOperation,
    Close,
    CloseCode,
    RejectOperation,
    Send,
    Session,
    StartOperation,
    error_message,
    next_prefix,
)
from gateway.service.callers.credentials import Credentials

HEADERS = Credentials(authorization="Bearer from-header")
NOW = 1_000.0
INIT = '{"type":"connection_init"}'
QUERY = {"query": "{ __typename }"}


def new_session() -> Session:
    return Session(NOW, HEADERS, init_timeout_s=5.0)


def acknowledged() -> Session:
    session = new_session()
    session.receive(INIT, NOW)
    session.acknowledge()
    return session


def subscribe(id_: str, **payload: Any) -> str:
    message = {"type": "subscribe", "id": id_, "payload": payload or QUERY}
    return msgspec.json.encode(message).decode()


def complete(id_: str) -> str:
    return msgspec.json.encode({"type": "complete", "id": id_}).decode()


def close_code(actions: list[Action]) -> CloseCode:
    [action] = actions
    assert isinstance(action, Close)
    return action.code


def test_open_accepts_the_subprotocol() -> None:
    assert new_session().open(PROTOCOL) == []


@pytest.mark.parametrize("subprotocol", [None, "graphql-ws"])
def test_open_with_another_subprotocol_closes_with_4406(subprotocol: str | None) -> None:
    session = new_session()
    assert close_code(session.open(subprotocol)) == 4406
    assert session.is_closed


@pytest.mark.parametrize(
    ("payload", "credentials"),
    [
        ("", HEADERS),
        (',"payload":null', HEADERS),
        (',"payload":{}', HEADERS),
        (',"payload":{"locale":"de"}', HEADERS),
        (',"payload":{"apiKey":"k"}', Credentials(api_key="k")),
        (',"payload":{"apiKey":null}', HEADERS),
        (',"payload":{"X-API-KEY":"k"}', Credentials(api_key="k")),
        (',"payload":{"authorization":"Bearer t"}', Credentials(authorization="Bearer t")),
        (',"payload":{"Authorization":"Bearer t"}', Credentials(authorization="Bearer t")),
        (',"payload":{"AUTHORIZATION":"Bearer t"}', Credentials(authorization="Bearer t")),
        (',"payload":{"data":{"apiKey":1}}', HEADERS),
    ],
)
def test_connection_init_is_authenticated_with_its_payload_or_the_headers(
    payload: str, credentials: Credentials
) -> None:
    actions = new_session().receive(f'{{"type":"connection_init"{payload}}}', NOW)
    assert actions == [Authenticate(credentials)]


@pytest.mark.parametrize(
    "payload",
    [
        '{"Authorization":"Bearer t","authorization":"Bearer t"}',
        '{"apiKey":"k","apiKey":"k"}',
        '{"apiKey":"k","X-API-Key":"k"}',
    ],
)
def test_connection_init_with_a_credential_twice_closes_with_4401(payload: str) -> None:
    actions = new_session().receive(f'{{"type":"connection_init","payload":{payload}}}', NOW)
    assert close_code(actions) == 4401


def test_acknowledge_sends_connection_ack() -> None:
    session = new_session()
    session.receive(INIT, NOW)
    assert not session.is_acknowledged
    assert session.acknowledge() == [Send(b'{"type":"connection_ack"}')]
    assert session.is_acknowledged


def test_connection_init_twice_closes_with_4429() -> None:
    session = new_session()
    session.receive(INIT, NOW)
    assert close_code(session.receive(INIT, NOW)) == 4429
    assert close_code(acknowledged().receive(INIT, NOW)) == 4429


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unauthenticated("no"), 4401),
        (PermissionDenied("no"), 4403),
        (Internal("no"), 4403),
        (Throttled("no"), 1013),
        (UpstreamUnavailable("no"), 1013),
    ],
    ids=lambda value: type(value).__name__,
)
def test_reject_closes_with_the_code_of_the_error(error: GatewayError, code: int) -> None:
    assert new_session().reject(error) == [Close(CloseCode(code), "no")]


def test_time_out_closes_with_4408() -> None:
    session = new_session()
    assert session.init_deadline == NOW + 5.0
    assert close_code(session.time_out()) == 4408
    assert session.time_out() == []


@pytest.mark.parametrize(
    "text",
    [
        None,
        "no JSON",
        "[]",
        "[" * 5_000,
        "{}",
        '{"type":"dance"}',
        '{"type":1}',
        '{"type":"connection_init","payload":1}',
        '{"type":"connection_init","payload":{"apiKey":1}}',
        '{"type":"connection_init","payload":[["apiKey","k"]]}',
        '{"type":"subscribe","id":"1"}',
        '{"type":"subscribe","id":"","payload":{}}',
        '{"type":"subscribe","id":1,"payload":{}}',
        '{"type":"subscribe","id":"1","payload":[]}',
        '{"type":"complete"}',
        '{"type":"next","id":"1"}',
    ],
    ids=lambda text: str(text)[:60],
)
def test_a_frame_that_is_not_a_message_closes_with_4400(text: str | None) -> None:
    assert close_code(new_session().receive(text, NOW)) == 4400
    assert close_code(acknowledged().receive(text, NOW)) == 4400


def test_ping_is_answered_with_pong_before_and_after_the_acknowledgement() -> None:
    for session in (new_session(), acknowledged()):
        assert session.receive('{"type":"ping"}', NOW) == [Send(b'{"type":"pong"}')]
        assert session.receive('{"type":"ping","payload":{"a":1}}', NOW) == [
            Send(b'{"type":"pong"}')
        ]
        assert session.receive('{"type":"pong"}', NOW) == []


def test_subscribe_before_the_acknowledgement_closes_with_4401() -> None:
    session = new_session()
    assert close_code(session.receive(subscribe("1"), NOW)) == 4401
    session = new_session()
    session.receive(INIT, NOW)
    assert close_code(session.receive(subscribe("1"), NOW)) == 4401


def test_subscribe_starts_an_operation() -> None:
    session = acknowledged()
    assert session.receive(subscribe("1", query="{ a }"), NOW) == [
        StartOperation("1", {"query": "{ a }"})
    ]


def test_subscribe_with_an_id_in_use_closes_with_4409() -> None:
    session = acknowledged()
    session.receive(subscribe("1"), NOW)
    assert close_code(session.receive(subscribe("1"), NOW)) == 4409


def test_complete_of_the_client_cancels_the_operation_and_frees_its_id() -> None:
    session = acknowledged()
    session.receive(subscribe("1"), NOW)
    assert session.receive(complete("1"), NOW) == [CancelOperation("1")]
    assert session.receive(complete("1"), NOW) == []
    assert session.receive(subscribe("1"), NOW) == [StartOperation("1", QUERY)]


def test_complete_of_an_unknown_operation_is_ignored() -> None:
    assert acknowledged().receive(complete("1"), NOW) == []


def test_an_operation_that_ends_frees_its_id() -> None:
    session = acknowledged()
    session.receive(subscribe("1"), NOW)
    assert session.complete("1") == [Send(b'{"type":"complete","id":"1"}')]
    session.receive(subscribe("1"), NOW)
    errors = [{"message": "no"}]
    assert session.fail("1", errors) == [
        Send(b'{"type":"error","id":"1","payload":[{"message":"no"}]}')
    ]
    assert session.receive(subscribe("1"), NOW) == [StartOperation("1", QUERY)]


def test_the_number_of_operations_is_limited() -> None:
    session = acknowledged()
    for number in range(MAX_OPERATIONS):
        [action] = session.receive(subscribe(str(number)), NOW)
        assert isinstance(action, StartOperation)
    [action] = session.receive(subscribe("one more"), NOW)
    assert isinstance(action, RejectOperation)
    assert isinstance(action.error, Throttled)
    session.complete("7")
    assert session.receive(subscribe("one more"), NOW) == [StartOperation("one more", QUERY)]


def test_the_rate_of_messages_is_limited_and_recovers() -> None:
    session = new_session()
    for _ in range(MESSAGE_RATE.burst):
        assert session.receive('{"type":"pong"}', NOW) == []
    assert session.receive('{"type":"pong"}', NOW + 1 / MESSAGE_RATE.per_s) == []
    assert close_code(session.receive('{"type":"pong"}', NOW)) == 4429


def test_the_rate_covers_frames_that_are_not_messages() -> None:
    session = new_session()
    for _ in range(MESSAGE_RATE.burst):
        session.receive('{"type":"pong"}', NOW)
    assert close_code(session.receive(None, NOW)) == 4429


def test_the_end_of_a_subscription_without_an_error_closes_with_1001() -> None:
    assert close_code(acknowledged().end_stream()) == 1001


def test_a_closed_session_does_nothing() -> None:
    session = acknowledged()
    session.receive(None, NOW)
    assert session.receive(subscribe("1"), NOW) == []
    assert session.end_stream() == session.time_out() == session.reject(Internal("no")) == []


def test_next_prefix_and_error_message_escape_the_id() -> None:
    prefix = next_prefix('é"1')
    assert msgspec.json.decode(prefix + b"{}}") == {"id": 'é"1', "type": "next", "payload": {}}
    assert msgspec.json.decode(error_message('é"1', []))["id"] == 'é"1'


def test_credentials_are_not_in_a_repr() -> None:
    assert "secret" not in repr(Authenticate(Credentials("Bearer secret", "secret")))


def test_an_operation_id_has_at_most_128_characters() -> None:
    """Each message of the operation repeats it."""
    longest = "é" * MAX_ID_CHARS
    session = acknowledged()
    [start] = session.receive(subscribe(longest), NOW)
    assert isinstance(start, StartOperation)
    assert session.receive(complete(longest), NOW) == [CancelOperation(longest)]
    for frame in (subscribe(longest + "x"), complete(longest + "x"), subscribe(""), complete("")):
        assert close_code(acknowledged().receive(frame, NOW)) == 4400
