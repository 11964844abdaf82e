"""Where a table lies, and which names it may have."""

import pytest

from mlops_assets.core.errors import TableError
from mlops_assets.core.lakehouse.location import table_uri


@pytest.mark.parametrize("root", ["/data/tables", "/data/tables/", "s3://bucket/tables"])
def test_a_table_lies_below_its_product(root: str) -> None:
    assert table_uri(root, "shop", "events") == f"{root.rstrip('/')}/shop/events"


@pytest.mark.parametrize("name", ["", "..", "Events", "a/b", "1st", "a-b", "a\n", "é"])
def test_a_name_that_cannot_be_a_folders_on_every_store_is_refused(name: str) -> None:
    for product, table in ((name, "events"), ("shop", name)):
        with pytest.raises(TableError, match="cannot name a table"):
            table_uri("/data", product, table)
