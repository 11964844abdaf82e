"""In a real browser, Dagster's UI works behind its guard as before, and a page of another origin starts nothing."""

import socket
from collections.abc import Iterator
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import Browser, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from mlops_assets_tests.support.processes.asgi_server import serving
from mlops_assets_tests.support.processes.browser import (
    FOREIGN_NAME,
    PATIENCE_SECONDS,
    Watched,
    browser,
    watched,
)
from mlops_assets_tests.support.processes.mlops_dev import RunningDev, mlops_dev

pytestmark = pytest.mark.servers

PATIENCE_MILLISECONDS = 1_000 * PATIENCE_SECONDS
LAUNCH = """mutation {
  launchRun(executionParams: {
    selector: {
      repositoryLocationName: "mlops_assets", repositoryName: "__repository__", jobName: "fraud_detection__ingest"
    }
    executionMetadata: {tags: [{key: "dagster/partition", value: "2018-04-01"}]}
  }) { __typename }
}"""
ASSET = "/assets/fraud_detection/raw_events"
SEND_JSON = """async ([url, query]) => {
  const answer = await fetch(url, {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({query})
  });
  return await answer.json();
}"""
READ_BLINDLY = "async ([url]) => { await fetch(url, {mode: 'no-cors', credentials: 'include'}); }"
SHOW_AS_PICTURE = """([url]) => new Promise(resolve => {
  const picture = new Image(); picture.onerror = resolve; picture.src = url;
})"""
SEND_TEXT = """async ([url, query]) => {
  const headers = {"Content-Type": "text/plain; application/json"};
  await fetch(url, {method: "POST", mode: "no-cors", headers, body: JSON.stringify({query})});
}"""
"""Browsers send it unasked as text; Dagster, which looks for a word in the type, would read it as JSON."""
SEND_FORM = """([url, query, kind]) => new Promise(resolve => {
  const frame = document.createElement("iframe"); frame.name = "answer";
  document.body.append(frame); frame.onload = resolve;
  const form = document.createElement("form");
  form.method = "POST"; form.action = url; form.enctype = kind; form.target = "answer";
  const input = document.createElement("input"); input.name = "query"; input.value = query;
  form.append(input); document.body.append(form); form.submit();
})"""
SHOW_INSIDE = """([url]) => new Promise(resolve => {
  const frame = document.createElement("iframe"); frame.onload = resolve; frame.src = url;
  document.body.append(frame);
})"""
ADD_LINK = """url => {
  const link = document.createElement("a"); link.href = url; link.textContent = "follow me";
  document.body.append(link);
}"""
OPEN_SOCKET = """([url, query]) => new Promise(resolve => {
  const socket = new WebSocket(url, "graphql-ws");
  socket.onopen = () => {
    socket.send(JSON.stringify({type: "connection_init", payload: {}}));
    socket.send(JSON.stringify({id: "1", type: "start", payload: {query}}));
    resolve("opened");
  };
  socket.onerror = () => resolve("refused");
})"""


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDev]:
    """`mlops dev` on a fresh home, whose UI has loaded the products."""
    with mlops_dev(tmp_path_factory.mktemp("dev")) as running:
        running.wait_for(running.dagster_port, "/server_info")
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def page(chromium: Browser) -> Iterator[Watched]:
    seen = watched(chromium)
    yield seen
    seen.page.close()


@pytest.fixture(scope="module")
def foreign_port() -> Iterator[int]:
    """The port of another server of the loopback interface, whose page is empty."""

    async def empty(_request: Request) -> HTMLResponse:
        return HTMLResponse("<!doctype html><title>another origin</title><link rel=icon href=data:,>")

    with socket.create_server(("127.0.0.1", 0)) as sock, serving(Starlette(routes=[Route("/", empty)]), sock):
        yield sock.getsockname()[1]


def own(dev: RunningDev) -> str:
    return f"127.0.0.1:{dev.dagster_port}"


def runs(dev: RunningDev) -> int:
    """How many runs there are, as a program without an origin is told."""
    query = "{ runsOrError { ... on Runs { count } } }"
    answer = httpx.post(f"http://{own(dev)}/graphql", json={"query": query}, timeout=30)
    return answer.json()["data"]["runsOrError"]["count"]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", FOREIGN_NAME])
@pytest.mark.parametrize(
    ("script", "kind", "refused"),
    [
        (READ_BLINDLY, "", ("GET", 403)),
        (SHOW_AS_PICTURE, "", ("GET", 403)),
        (SHOW_INSIDE, "", ("GET", 403)),
        (SEND_TEXT, "", ("POST", 403)),
        (SEND_FORM, "text/plain", ("POST", 403)),
        (SEND_FORM, "application/x-www-form-urlencoded", ("POST", 403)),
        (SEND_FORM, "multipart/form-data", ("POST", 403)),
    ],
    ids=["read", "picture", "frame", "text", "form-text", "form", "form-data"],
)
def test_a_page_of_another_origin_starts_nothing(
    name: str,
    script: str,
    kind: str,
    refused: tuple[str, int],
    *,
    dev: RunningDev,
    page: Watched,
    foreign_port: int,
) -> None:
    before = runs(dev)
    query = urlencode({"query": LAUNCH})  # which Dagster reads of a form, too
    page.page.goto(f"http://{name}:{foreign_port}/")
    page.page.evaluate(script, [f"http://{own(dev)}/graphql?{query}", LAUNCH, kind])
    assert page.statuses(own(dev)) == {refused}
    assert runs(dev) == before


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", FOREIGN_NAME])
def test_it_sends_no_json_and_opens_no_websocket(
    name: str, dev: RunningDev, page: Watched, foreign_port: int
) -> None:
    before = runs(dev)
    page.page.goto(f"http://{name}:{foreign_port}/")
    with pytest.raises(Exception, match="Failed to fetch"):
        page.page.evaluate(SEND_JSON, [f"http://{own(dev)}/graphql", LAUNCH])
    assert page.page.evaluate(OPEN_SOCKET, [f"ws://{own(dev)}/graphql", LAUNCH]) == "refused"
    assert page.frames == []
    assert runs(dev) == before


def test_a_foreign_name_that_resolves_to_this_machine_reaches_nothing(dev: RunningDev, page: Watched) -> None:
    """DNS rebinding: the page is of the same origin as what it asks."""
    server = f"{FOREIGN_NAME}:{dev.dagster_port}"
    before = runs(dev)
    page.page.goto(f"http://{server}/")
    assert "is not known by the name in Host" in page.page.content()
    page.page.evaluate(SEND_TEXT, [f"http://{server}/graphql", LAUNCH])
    assert page.page.evaluate(OPEN_SOCKET, [f"ws://{server}/graphql", LAUNCH]) == "refused"
    assert {status for _, status in page.statuses(server)} == {403}
    assert runs(dev) == before


def test_a_followed_link_opens_a_page_and_runs_no_query(
    dev: RunningDev, page: Watched, foreign_port: int
) -> None:
    before = runs(dev)
    for path, status in ((ASSET, 200), (f"/graphql?{urlencode({'query': LAUNCH})}", 403)):
        page.page.goto(f"http://{FOREIGN_NAME}:{foreign_port}/")
        address = f"http://{own(dev)}{path}"
        with page.page.expect_response(lambda answer, url=address: answer.url == url) as answer:
            page.page.evaluate(ADD_LINK, address)
            page.page.locator("a").click()
        assert answer.value.status == status
        page.page.wait_for_url(address, wait_until="commit")
    assert runs(dev) == before


def test_the_same_words_start_a_run_when_the_own_page_sends_them(dev: RunningDev, page: Watched) -> None:
    """What the tests above send would do something: only who sends it differs."""
    before = runs(dev)
    page.page.goto(f"http://{own(dev)}/runs")
    answer = page.page.evaluate(SEND_JSON, [f"http://{own(dev)}/graphql", LAUNCH])
    assert answer == {"data": {"launchRun": {"__typename": "LaunchRunSuccess"}}}
    assert runs(dev) == before + 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/runs", "fraud_detection__ingest"),
        ("/asset-groups", "mortality_risk"),
        ("/automation", "fraud_detection__late_rows"),
        ("/jobs", "fraud_detection__ingest"),
        (ASSET, "One row is an event as its source has it"),
    ],
)
def test_the_pages_of_the_ui_show_what_they_are_for(
    path: str, text: str, dev: RunningDev, page: Watched
) -> None:
    page.page.goto(f"http://{own(dev)}{path}")
    expect(page.page.get_by_text(text).first).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    require_nothing_amiss(page, dev)


def test_an_asset_is_materialized_from_its_page_and_the_run_is_seen_as_it_goes(
    dev: RunningDev, page: Watched
) -> None:
    page.page.goto(f"http://{own(dev)}{ASSET}")
    page.page.get_by_role("button", name="Materialize…").click()
    page.page.get_by_role("button", name="Latest", exact=True).click()
    with page.page.expect_response(
        lambda answer: "LaunchPipelineExecution" in str(answer.request.post_data)
    ) as told:
        page.page.get_by_role("button", name="Launch").last.click()
    run = told.value.json()["data"]["launchPipelineExecution"]["run"]["id"]
    page.page.goto(f"http://{own(dev)}/runs/{run}")
    expect(page.page.get_by_text("RUN_SUCCESS").first).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    page.wait_for_frame("AssetMaterializationPlannedEvent")
    page.wait_for_frame("RunSuccessEvent")
    require_nothing_amiss(page, dev)


def test_a_report_is_shown_with_its_scripts_and_not_to_another_origin(
    dev: RunningDev, page: Watched, foreign_port: int
) -> None:
    report = dev.home / "reports" / "fraud_detection" / "drift.html"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text("<!doctype html><p id=verdict></p><script>verdict.textContent = 'stable'</script>")
    server = f"127.0.0.1:{dev.reports_port}"
    address = f"http://{server}/fraud_detection/drift.html"
    page.page.goto(address)
    expect(page.page.locator("#verdict")).to_have_text("stable")
    assert page.complaints == []
    page.answers.clear()
    page.page.goto(f"http://{FOREIGN_NAME}:{foreign_port}/")
    page.page.evaluate(SHOW_INSIDE, [address])
    page.page.evaluate(READ_BLINDLY, [address])
    assert page.statuses(server) == {("GET", 403)}


def test_a_page_of_a_foreign_site_changes_nothing_in_mlflow(
    dev: RunningDev, page: Watched, foreign_port: int
) -> None:
    """MLflow's own check; pages of other servers on the loopback interface pass it, as SECURITY.md says."""
    dev.wait_for(dev.mlflow_port, "/health")
    server = f"127.0.0.1:{dev.mlflow_port}"
    page.page.goto(f"http://{FOREIGN_NAME}:{foreign_port}/")
    page.page.evaluate(SEND_TEXT, [f"http://{server}/api/2.0/mlflow/experiments/create", LAUNCH])
    assert page.statuses(server) == {("POST", 403)}


def require_nothing_amiss(page: Watched, dev: RunningDev) -> None:
    """No error in the console, every answer a success, the WebSocket open, and nothing asked of other servers."""
    page.wait_for_frame("connection_ack")
    assert page.complaints == []
    assert {status for _, status in page.statuses(own(dev))} <= {200, 304}
    assert page.servers() == {own(dev)}
