from gateway.rpc.http.codecs import CODECS
from gateway.rpc.http.connect import ConnectStream

STREAM = ConnectStream("application/connect+json", CODECS["json"])


def test_a_response_in_one_piece_has_the_frames_of_a_stream() -> None:
    response = STREAM.respond(b"word", None, ())
    assert response.body == STREAM.frame(b"word") + STREAM.end(None, ())
    assert (response.status, response.media_type, response.trailers) == (200, None, ())


def test_a_response_without_a_message_has_the_end_alone() -> None:
    assert STREAM.respond(None, None, [("a", "b")]).body == STREAM.end(None, [("a", "b")])
