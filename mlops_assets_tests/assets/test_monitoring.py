"""Reports: a verdict per window, beside the rows that the model was judged on."""

from datetime import timedelta

import dagster as dg

from mlops_assets.core.release.champion import load_champion, reference_rows
from mlops_assets_tests.support.homes.small_home import (
    LAST_DAY,
    SmallHome,
)


def test_each_window_of_a_report_has_its_own_verdict(released_home: SmallHome) -> None:
    for noun, verdicts in (
        ("drift_report", {"stable", "drift", "inconclusive"}),
        ("performance_report", {"stable", "degraded", "inconclusive"}),
    ):
        for number in (1, 0):
            day = str(LAST_DAY - timedelta(days=number))
            with released_home.instance() as instance:
                records = instance.fetch_materializations(
                    dg.AssetRecordsFilter(asset_key=released_home.key(noun), asset_partitions=[day]), limit=1
                ).records
            (record,) = records
            assert record.asset_materialization is not None
            metadata = {k: v.value for k, v in record.asset_materialization.metadata.items()}
            assert metadata["window_end"] == day
            assert metadata["verdict"] in verdicts
            assert metadata["champion_version"] == 1
            assert metadata["reason"]
            if number == 0:  # the newest window of a run is the one that somebody looks at
                served = str(metadata["evidently_report"])
                served = served.removeprefix(f"{released_home.settings.reports_url}/")
                assert (released_home.settings.reports / served).stat().st_size > 10_000
        stored = released_home.read(noun)
        assert stored["event_date"].unique().sort().to_list() == [LAST_DAY - timedelta(days=1), LAST_DAY]
        assert stored["champion_version"].unique().to_list() == [1]


def test_a_sample_of_the_reference_has_the_scores_of_the_whole(released_home: SmallHome) -> None:
    tables, product = released_home.tables, released_home.product
    champion = load_champion(released_home.control, product.name, declared_view=product.view)
    whole = reference_rows(tables, product, champion)
    sample = reference_rows(tables, product, champion, at_most=10)
    assert sample.height == 10
    assert sample.join(whole, on=["transaction_id", "score"], how="semi").height == 10
    assert reference_rows(tables, product, champion, at_most=whole.height).equals(whole)
