from tests.running import Gateway

QUOTA = """{ quota { source replicas inFlight concurrencyLimit classes {
    requestClass perSecond burst remaining waiting retryAfterMs resetTime } } }"""


async def test_quota_reports_each_request_class(gateway: Gateway) -> None:
    quota = (await gateway.execute(QUOTA))["quota"]

    assert (quota["source"], quota["replicas"]) == ("SHARED", 1)
    assert 4 <= quota["concurrencyLimit"] <= 100, "what other tests had refused has lowered it"
    classes = {quota_class["requestClass"]: quota_class for quota_class in quota["classes"]}
    assert list(classes) == ["END", "CHANGE", "READ", "LIST", "BACKGROUND"]
    assert 14 <= classes["CHANGE"]["perSecond"] == classes["END"]["perSecond"] < 20
    assert 68 <= classes["READ"]["perSecond"] == classes["LIST"]["perSecond"] < 80
    assert all(
        (quota_class["retryAfterMs"] is None) == (quota_class["remaining"] > 0)
        for quota_class in classes.values()
    )
