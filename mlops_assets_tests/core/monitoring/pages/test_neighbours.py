"""Pages of windows lead to those beside them, also where these were written later or are gone."""

import os
from pathlib import Path

from mlops_assets.core.monitoring.pages.neighbours import ALL_WINDOWS, link_neighbours, links, windows_there
from mlops_assets_tests.support.documents.html_pages import HtmlPage


def write(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.html").write_text(f"<body>{links(None, None)}<p>{name}</p></body>")
    link_neighbours(folder, names)


def followed(folder: Path, name: str) -> list[str]:
    return HtmlPage((folder / f"{name}.html").read_text()).links


def test_a_page_that_is_written_later_is_linked_from_the_one_before(tmp_path: Path) -> None:
    folder = tmp_path / "verdicts"
    write(folder, "2018-05-01", "2018-05-02")
    write(folder, "2018-05-04")
    write(folder, "2018-05-03")
    (folder / f"{ALL_WINDOWS}.html").write_text("all")
    assert windows_there(folder) == ["2018-05-01", "2018-05-02", "2018-05-03", "2018-05-04"]
    assert followed(folder, "2018-05-01") == ["index.html", "2018-05-02.html"]
    assert followed(folder, "2018-05-02") == ["2018-05-01.html", "index.html", "2018-05-03.html"]
    assert followed(folder, "2018-05-04") == ["2018-05-03.html", "index.html"]


def test_a_page_that_is_gone_is_not_linked_and_mending_makes_no_page_younger(tmp_path: Path) -> None:
    folder = tmp_path / "verdicts"
    write(folder, "2018-05-01", "2018-05-02", "2018-05-03")
    os.utime(folder / "2018-05-02.html", (1_000, 1_000))
    (folder / "2018-05-01.html").unlink()
    write(folder, "2018-05-04")
    assert followed(folder, "2018-05-02") == ["index.html", "2018-05-03.html"]
    assert (folder / "2018-05-02.html").stat().st_mtime == 1_000


def test_a_folder_that_is_not_there_has_no_windows(tmp_path: Path) -> None:
    link_neighbours(tmp_path / "none", ["2018-05-01"])
    assert windows_there(tmp_path / "none") == []
