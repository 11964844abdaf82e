"""`verdicts` writes a page per window and one over all, which lead to each other and to Evidently's."""

from datetime import UTC, datetime, timedelta

import pytest

from mlops_assets.core.monitoring.reports import plan_report_retention
from mlops_assets_tests.support.documents.html_pages import HtmlPage
from mlops_assets_tests.support.homes.small_home import AS_OF, LAST_DAY, SmallHome, metadata_of


def test_pages_are_written_linked_and_kept_by_the_policy(
    released_home: SmallHome, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = released_home.copy(tmp_path_factory.mktemp("pages") / "home")
    before, newest = LAST_DAY - timedelta(days=1), LAST_DAY
    result = home.materialize("verdicts", days=(before, newest))
    reports = home.settings.reports
    folder = reports / home.product.name / "verdicts"
    metadata = metadata_of(result, home.key("verdicts"))
    url = f"{home.settings.reports_url}/{home.product.name}/verdicts"
    assert metadata["page"].value == f"{url}/{newest}.html"
    assert metadata["all_windows"].value == f"{url}/index.html"
    pages = {path.stem: HtmlPage(path.read_text()) for path in folder.iterdir()}
    assert set(pages) == {str(before), str(newest), "index"}
    assert pages[str(before)].links == ["index.html", f"{newest}.html"]
    assert pages[str(newest)].links[:2] == [f"{before}.html", "index.html"]
    assert "Drift of columns" in pages[str(newest)].text
    assert f"1, made as of {AS_OF}" in pages[str(newest)].text
    assert len([one for one in pages[str(newest)].all("section")]) == 3
    assert f"--partition {before}" in pages[str(before)].text  # Evidently drew the newest window of the run
    for name, page in pages.items():
        for link in page.links:
            assert (folder / link).resolve().is_file(), (name, link)
        assert (folder / f"{name}.html").stat().st_size < 100_000
    assert HtmlPage((reports / "index.html").read_text()).links == [
        f"{home.product.name}/verdicts/index.html"
    ]
    old = plan_report_retention(reports, now=datetime.now(UTC) + timedelta(days=200), keep_days=180)
    assert {report.path for report in old} >= {folder / f"{name}.html" for name in pages}
    earlier = {path.name: path.read_bytes() for path in folder.iterdir()}
    home.materialize("verdicts", days=(before, newest))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == earlier
