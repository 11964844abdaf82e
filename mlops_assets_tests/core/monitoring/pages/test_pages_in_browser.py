"""In a real browser, pages of windows fit a phone and a desk, lead to each other, and run and load nothing."""

import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from mlops_assets.core.monitoring.pages.index_page import index_page
from mlops_assets.core.monitoring.pages.neighbours import link_neighbours, links
from mlops_assets.core.monitoring.pages.trend_page import ProductFacts, trend_page
from mlops_assets.core.monitoring.pages.window_page import window_page
from mlops_assets.embedded.browser_guard import loopback_hosts
from mlops_assets.embedded.reports_server import reports_app
from mlops_assets_tests.support.documents.judged_windows import (
    compared,
    drift_finding,
    facts,
    fault_finding,
    performance_finding,
    verdicts_of,
)
from mlops_assets_tests.support.processes.asgi_server import serving
from mlops_assets_tests.support.processes.browser import Watched, browser, watched

pytestmark = pytest.mark.servers

PHONE, DESK = 360, 1400
BUSY, QUIET, FAULTY = "2018-05-29", "2018-05-30", "2018-05-31"
HOSTILE = (
    "<script>document.title = 'run'</script><img src=//evil.example/x onerror=\"document.title = 'run'\">"
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of three windows: of forty columns with long names, of nothing, and of a fault with hostile words."""
    root = tmp_path_factory.mktemp("reports")
    folder = root / "fraud_detection" / "verdicts"
    folder.mkdir(parents=True)
    column = compared(np.random.default_rng(0).lognormal(3.5, 0.8, 1000))
    many = [
        drift_finding(
            f"mean_amount_of_the_customer_over_the_last_seven_days_usd_{place}", state="alarm", moved=0.3
        )
        for place in range(40)
    ]
    faulty = [
        fault_finding(HOSTILE, FAULTY),
        performance_finding("alarm"),
        drift_finding("nights", limit=None),
    ]
    windows = {
        BUSY: (many, [(one, column) for one in many[:3]]),
        QUIET: ([], []),
        FAULTY: (faulty, [(faulty[2], column)]),
    }
    for name, (findings, worst) in windows.items():
        (folder / f"{name}.html").write_text(
            window_page(facts(name), findings, worst, links=links(None, None))
        )
    link_neighbours(folder, windows)
    product = ProductFacts(product="fraud_detection", title="Fraud detection", false_alarms=1.0)
    (folder / "index.html").write_text(trend_page(product, verdicts_of(61, columns=12), {}, pages=windows))
    (root / "index.html").write_text(index_page(root, kind="verdicts"))
    return root


@pytest.fixture(params=[PHONE, DESK])
def page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Watched]:
    seen = watched(chromium)
    seen.page.set_viewport_size({"width": request.param, "height": 800})
    yield seen
    seen.page.close()


def require_whole(page: Watched) -> None:
    """Nothing is wider than the screen, nothing was asked elsewhere, and nothing ran."""
    assert page.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.page.title() != "run"
    assert page.complaints == []


def test_a_person_walks_from_the_products_to_a_window_and_on(reports: Path, page: Watched) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        with serving(reports_app(reports, hosts=loopback_hosts(port)), sock):
            page.page.goto(f"http://127.0.0.1:{port}/")
            require_whole(page)
            page.page.get_by_role("link", name="fraud_detection").click()
            require_whole(page)
            page.page.locator(f'.days a[href="{BUSY}.html"]').click()
            for heading in ("Why", "Columns of the largest consequence", "Drift of columns"):
                assert page.page.get_by_role("heading", name=heading, exact=True).is_visible()
            for name in (QUIET, FAULTY):
                require_whole(page)
                page.page.get_by_role("link", name=name).click()
            require_whole(page)
            page.page.get_by_role("link", name="All windows").click()
            page.page.locator(f'svg a[href="{QUIET}.html"] circle').first.click()
            assert page.page.get_by_text("Nothing is known of this window").is_visible()
            assert page.servers() == {f"127.0.0.1:{port}"}


def test_pages_open_from_the_disk(reports: Path, page: Watched) -> None:
    for file in sorted(reports.rglob("*.html")):
        page.page.goto(file.as_uri())
        require_whole(page)
        assert page.page.locator("h1").is_visible()
