import pytest

from gateway.core.errors import Unauthenticated
from gateway.service.callers.credentials import Credentials, is_credential


def test_credentials_are_found_among_other_headers_in_any_case() -> None:
    headers = [("Accept", "*/*"), ("AUTHORIZATION", "Bearer t"), ("x-Api-Key", "k")]

    assert Credentials.of_headers(headers) == Credentials("Bearer t", "k")
    assert Credentials.of_init(headers) == Credentials("Bearer t", "k")


def test_binary_metadata_is_no_credential() -> None:
    assert not Credentials.of_headers([("authorization", b"Bearer t")])


def test_only_connection_init_has_the_name_api_key() -> None:
    assert Credentials.of_init([("apiKey", "k")]) == Credentials(api_key="k")
    assert not Credentials.of_headers([("apiKey", "k")])
    assert is_credential("ApiKey")
    assert not is_credential("locale")


@pytest.mark.parametrize("names", [("authorization", "Authorization"), ("x-api-key",) * 2])
def test_a_credential_that_is_sent_twice_is_unauthenticated(names: tuple[str, str]) -> None:
    with pytest.raises(Unauthenticated, match=f"{names[0]} is sent twice: send it once"):
        Credentials.of_headers([(name, "same") for name in names])
    with pytest.raises(Unauthenticated):
        Credentials.of_init([(name, "same") for name in names])


def test_its_text_shows_no_secret() -> None:
    assert "secret" not in repr(Credentials("Bearer secret", "secret"))
