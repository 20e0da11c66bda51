import pytest

from gateway.core.addresses import network_of


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("/run/gateway.sock", "/run/gateway.sock"),
        ("", ""),
    ],
)
def test_addresses_of_one_client_have_one_network(host: str, network: str) -> None:
    assert network_of(host) == network
