"""Whatever a client sends: an answer of the documented form, counted, and never a fault of ours."""

import asyncio
import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets_tests.support.attack_bodies import attacks
from mlops_assets_tests.support.homes.asgi_service import (
    JSON,
    Answered,
    AsgiService,
    asgi_service,
    ask,
    counted,
)

EXAMPLES = 60
_EPOCH = re.compile(r"\b1[0-9]{15}\b")
"""A time in microseconds of this century."""


@pytest.fixture(scope="module", params=["fraud_detection", "mortality_risk"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AsgiService]:
    with asgi_service(request.param, tmp_path_factory.mktemp(request.param)) as opened:
        yield opened


@given(data=st.data())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_get_the_documented_answer_and_are_counted(
    service: AsgiService, data: st.DataObject
) -> None:
    path, body, headers = data.draw(attacks(service))
    before = counted("mlops_requests_total")
    answer = ask(service, path, body, headers=[*JSON, *headers])
    assert counted("mlops_requests_total") == before + 1
    assert_documented(answer, path, body)


def assert_documented(answer: Answered, path: str, body: bytes) -> None:
    """The answer is a success, or a refusal for which its status, form and words are as documented."""
    assert answer.status in (200, 400, 404, 409, 413, 415, 422), (path, body, answer)
    content = json.loads(answer.body)
    if answer.status == 200:
        return
    if path.startswith("/v2"):
        assert set(content) == {"error", "problems"}, content
    else:
        assert set(content) == {"message", "problems"}, content
    assert "/tmp/" not in answer.body.decode(), content
    told = {found for found in _EPOCH.findall(answer.body.decode()) if found.encode() not in body}
    assert not told, content


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"content-length", b"9" * 5000)], 413),
        ([(b"content-length", b"-1")], 400),
        ([(b"content-length", b"\xb2")], 400),
        ([(b"content-length", b"3")], 400),
        ([(b"content-encoding", b"gzip")], 415),
        ([(b"x", b"y")] * 100, 431),
        ([(b"inference-header-content-length", b"9" * 5000)], 400),
        ([(b"inference-header-content-length", "²".encode())], 400),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "infer"])
def test_absurd_headers_are_refused(
    service: AsgiService, path: str, headers: list[tuple[bytes, bytes]], status: int
) -> None:
    if path == "infer":
        path = f"/v2/models/{service.sampled.product.name}/infer"
    elif headers[0][0].startswith(b"inference"):
        status = 422
    answer = ask(service, path, b"{}", headers=[*JSON, *headers])
    assert answer.status == status
    assert_documented(Answered(400, answer.headers, answer.body), path, b"{}")


def test_a_body_that_was_cut_off_is_not_scored(service: AsgiService) -> None:
    before = len(service.captured())
    body = json.dumps({**service.events[-1], service.worker.product.view.id_column: 77_000_001}).encode()
    cut = ask(service, "/predict", [body], ends=False)
    short = ask(service, "/predict", body, headers=[*JSON, (b"content-length", str(len(body) + 1).encode())])
    assert (cut.status, short.status) == (400, 400)
    assert len(service.captured()) == before


def test_a_name_that_comes_twice_in_an_object_is_refused_however_it_is_written(service: AsgiService) -> None:
    column = service.worker.product.view.id_column
    plain = json.dumps({**service.events[-1], column: 77_000_002})
    escaped = "".join(f"\\u{ord(character):04x}" for character in column)
    for name in (f'"{column}":', f'"{column}" : ', f'"{escaped}":'):
        answer = ask(service, "/predict", f"{plain[:-1]},{name}77000003}}".encode())
        assert (answer.status, b"comes twice" in answer.body) == (400, True), answer
    twice = b'{"inputs":[{"name":"a","name":"b","shape":[1],"datatype":"FP64","data":[1]}]}'
    answer = ask(service, f"/v2/models/{service.sampled.product.name}/infer", twice)
    assert (answer.status, b"comes twice" in answer.body) == (400, True)


def test_an_id_with_two_contents_in_one_request_is_a_conflict(service: AsgiService) -> None:
    view = service.worker.product.view
    column = "amount_usd" if "amount_usd" in view.input_columns else "age_years"
    event = {**service.events[-1], view.id_column: 77_000_004, column: 30.5}
    answer = ask(service, "/predict", json.dumps([event, {**event, column: 31.5}]).encode())
    assert answer.status == 409
    assert json.loads(answer.body)["problems"][0]["event"] == 1


@pytest.mark.parametrize("service", ["fraud_detection"], indirect=True)
def test_another_content_under_a_known_id_is_a_conflict_over_either_protocol_also_after_collection(
    service: AsgiService,
) -> None:
    def tensors(event: dict[str, object]) -> bytes:
        kinds = service.worker.types.tensor_types()
        named = [{"name": n, "shape": [1], "datatype": kinds[n], "data": [v]} for n, v in event.items()]
        return json.dumps({"inputs": named}).encode()

    infer = f"/v2/models/{service.sampled.product.name}/infer"
    event = {**service.events[-1], "transaction_id": 77_000_005}
    assert ask(service, infer, tensors(event)).status == 200
    store = open_online_store(service.store_location, service.sampled.product.name)
    store.forget_captured(store.captured())
    store.close()
    other = {**event, "amount_usd": 31.5}
    assert ask(service, infer, tensors(other)).status == 409
    assert ask(service, "/predict", json.dumps(other).encode()).status == 409
    assert ask(service, "/predict", json.dumps(event).encode()).status == 200


@pytest.mark.parametrize("service", ["mortality_risk"], indirect=True)
def test_a_row_of_a_cohort_whose_values_changed_is_scored_anew_as_a_prediction_of_its_own(
    service: AsgiService,
) -> None:
    row = {**service.events[-1], service.sampled.product.view.id_column: 77_000_006, "age_years": 30.5}
    sent = [row, {**row, "age_years": 31.5}, row]
    answers = [ask(service, "/predict", json.dumps(one).encode()) for one in sent]
    assert [answer.status for answer in answers] == [200] * 3
    ids = [json.loads(answer.body)["prediction_id"] for answer in answers]
    assert (ids[0] == ids[2], ids[0] == ids[1]) == (True, False)
    assert set(ids) <= {record.prediction_id for record in service.captured()}


def test_costly_bodies_are_refused_before_they_cost_much(service: AsgiService) -> None:
    infer = f"/v2/models/{service.sampled.product.name}/infer"
    outputs = json.dumps({"inputs": [], "outputs": [{"name": "score"}] * 2}).encode()
    many = b"[" + b"1," * 90_000 + b"1]"
    assert ask(service, infer, outputs).status == 400
    assert b"twice" in ask(service, infer, outputs).body
    assert [ask(service, path, many).status for path in ("/predict", infer)] == [413, 413]
    commas = json.dumps({**service.events[-1], "note": "," * 60_000}).encode()
    assert ask(service, "/predict", commas).status == 422  # commas in a text are no values
    backtracking = b'{"event_timestamp":":00.000000' + b"0" * 50_000 + b'\\n"}'
    assert ask(service, "/predict", backtracking).status == 422


def test_unknown_paths_have_one_label_in_the_metrics(service: AsgiService) -> None:
    async def many() -> set[int]:
        return {(await service.ask(f"/{number}/x")).status for number in range(50)} | {
            (await service.ask(f"/v2/models/{number}/x/y")).status for number in range(50)
        }

    before = counted("mlops_requests_total", endpoint="other")
    assert asyncio.run(many()) == {404}
    assert counted("mlops_requests_total", endpoint="other") == before + 100
