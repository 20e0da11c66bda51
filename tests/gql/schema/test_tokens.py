"""Access tokens."""

from gateway.gql.schema.tokens import AccessToken
from tests.gql.fakes import AT


def test_a_token_is_not_in_its_repr() -> None:
    assert "a.b.c" not in repr(AccessToken(jwt="a.b.c", identity="ada", room=None, expire_time=AT))
