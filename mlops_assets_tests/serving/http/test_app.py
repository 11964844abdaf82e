"""The ASGI application: bodies, methods, media types."""

import pytest

from mlops_assets_tests.support.homes.served_product import Served


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400), (b"not json", 400), (b"\xff\xfe", 400), (b"[" * 50_000, 400), (b"[1]", 422), (b"[]", 422),
        (b'{"transaction_id":1,"\xff":1}', 400), (b'{"transaction_id":1,"\\ud800":1}', 400),
        (b'{"transaction_id":"\\ud800"}', 400), (b"\xef\xbb\xbf{}", 400), ("{}".encode("utf-16"), 400),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/predict", "/explain", "/v2/models/fraud_detection/infer"])
def test_a_body_that_is_no_event_is_refused_and_counted(
    fraud: Served, content: bytes, status: int, path: str
) -> None:
    before = fraud.metric("mlops_requests_total")
    answer = fraud.client.post(path, content=content, headers={"Content-Type": "application/json"})
    body = answer.json()
    if path.startswith("/v2"):
        assert answer.status_code == 400
        assert body["error"]
    else:
        assert answer.status_code == status
        assert body["message"]
        assert "problems" in body
    assert fraud.metric("mlops_requests_total") == before + 1


def test_too_many_events_and_too_large_a_body_are_refused(fraud: Served) -> None:
    assert fraud.predict([fraud.event(transaction_id=number) for number in range(1001)]).status_code == 422
    content = b" " * 1_048_577
    headers = {"Content-Type": "application/json"}
    assert fraud.client.post("/predict", content=content, headers=headers).status_code == 413
    chunks = (content[start : start + 65_536] for start in range(0, len(content), 65_536))
    assert fraud.client.post("/predict", content=chunks, headers=headers).status_code == 413


def test_another_content_type_and_another_method_are_refused(fraud: Served) -> None:
    assert fraud.client.post("/predict", content=b"{}").status_code == 415
    assert (
        fraud.client.post("/predict", content=b"{}", headers={"Content-Type": "text/csv"}).status_code == 415
    )
    answer = fraud.client.get("/predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert fraud.client.get("/unknown").status_code == 404
