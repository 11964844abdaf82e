"""A home with a history decides as a fresh home would: a result is kept only if all it was made from is the same."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.features.expressions import col
from mlops_assets.core.identity.identity import Identity
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
    CANDIDATE,
    END_DAY,
    FAILING_GATE,
    FIRST_DAY,
    FRAUD,
    INGEST,
    LAST_DAY,
    PASSING_GATE,
    SmallHome,
    metadata_of,
    small_product,
    small_spec,
)

STRICT, LAX = [PASSING_GATE, FAILING_GATE], [PASSING_GATE]


@pytest.fixture
def home(judged_home: SmallHome, tmp_path: Path) -> SmallHome:
    return judged_home.copy(tmp_path / "home")


def made_again(home: SmallHome, *nouns: str) -> dict[str, bool]:
    """Materialize the nouns, and say of each whether its rows changed."""
    result = home.materialize(*nouns)
    return {noun: bool(metadata_of(result, home.key(noun))["changed"].value) for noun in nouns}


def verdicts(home: SmallHome) -> dict[str, str]:
    return dict(home.read("gate_verdicts").select("name", "verdict").iter_rows())


def identity(home: SmallHome, noun: str) -> Identity:
    found = Identity.read_json(home.tables.last_commit_info(FRAUD, noun).inputs)
    assert found is not None
    return found


@contextmanager
def another_version(library: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if the library had been upgraded, as far as Python's own record of what is installed says."""
    info = folder / f"{library}-99.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {library}\nVersion: 99.0\n")
    with monkeypatch.context() as patched:
        patched.syspath_prepend(str(folder))
        yield


def test_a_gate_made_strict_lax_and_strict_again_keeps_the_strict_verdict(home: SmallHome) -> None:
    for gates, expected in (
        (STRICT, {"better_than_constant": "pass", "nearly_perfect": "fail"}),
        (LAX, {"better_than_constant": "pass"}),
        (STRICT, {"better_than_constant": "pass", "nearly_perfect": "fail"}),
    ):
        changed = SmallHome(home.root, small_product(gates=gates))
        assert changed.materialize("evaluation", "model_version").success
        assert verdicts(changed) == expected
        (version,) = changed.registry.versions(FRAUD)
        assert {verdict.gate: verdict.verdict for verdict in version.verdicts} == expected


def test_verdicts_by_other_limits_are_not_registered(home: SmallHome) -> None:
    strict = SmallHome(home.root, small_product(gates=STRICT))
    with pytest.raises(
        RegistryError, match=r"gates of defs\.yaml changed: materialize fraud_detection/evaluation"
    ):
        strict.materialize("model_version")
    costly = SmallHome(home.root, small_product(evaluation={"cost": {"false_positive": 3.0}}))
    with pytest.raises(RegistryError, match=r"evaluation of defs\.yaml changed"):
        costly.materialize("model_version")


def test_another_baseline_is_compared_with(home: SmallHome) -> None:
    other = home.with_product(lambda product: replace(product, baselines={"any": col("amount_usd")}))
    assert made_again(other, "evaluation") == {"evaluation": True}
    assert "any" in other.read("evaluation")["contender"].unique()
    assert made_again(home, "evaluation") == {"evaluation": True}
    assert "any" not in home.read("evaluation")["contender"].unique()


def test_changed_events_are_judged_anew_and_equal_ones_written_again_are_not(home: SmallHome) -> None:
    events, commit = home.read("events"), CommitInfo(run_id="by hand", code_version="")
    days = DayRange(FIRST_DAY, END_DAY)
    unread = events.with_columns(amount_usd=pl.col("amount_usd") * 2)
    home.tables.write(FRAUD, "events", unread, days=days, commit=commit)
    assert made_again(home, "evaluation") == {"evaluation": False}
    grouped = events.with_columns(customer_id=pl.col("customer_id") // 2)
    home.tables.write(FRAUD, "events", grouped, days=days, commit=commit)
    assert made_again(home, "hyperparameters", "model", "evaluation") == {
        "hyperparameters": False,
        "model": False,
        "evaluation": True,
    }
    home.tables.write(FRAUD, "events", events, days=days, commit=commit)
    assert made_again(home, "evaluation") == {"evaluation": True}
    before = home.table_versions()
    shutil.rmtree(home.root / "tables" / FRAUD / "events")
    home.tables.write(FRAUD, "events", events, days=days, commit=commit)
    assert made_again(home, "evaluation") == {"evaluation": False}
    assert home.table_versions()["evaluation"] == before["evaluation"]


@pytest.mark.rehearsal
def test_tables_made_anew_from_another_source_make_another_model_and_the_first_ones_the_first(
    home: SmallHome, tmp_path: Path
) -> None:
    first = home.registry.versions(FRAUD)
    options = {**small_spec().source.options, "seed": 1}
    elsewhere = SmallHome(home.root, small_product(source={"options": options}))
    retold(elsewhere)
    second = elsewhere.registry.versions(FRAUD)
    assert [version.version for version in second] == [1, 2]
    assert second[1].digest != second[0].digest

    fresh = SmallHome(tmp_path / "fresh", elsewhere.product)
    retold(fresh)
    assert fresh.registry.versions(FRAUD)[0].digest == second[1].digest
    assert verdicts(fresh) == verdicts(elsewhere)

    retold(home)
    assert home.read("model")["run_id"][0] == first[0].run_id
    assert [version.version for version in home.registry.versions(FRAUD)] == [1, 2]


def retold(home: SmallHome) -> None:
    """Delete all tables of the home, and make them again."""
    shutil.rmtree(home.root / "tables", ignore_errors=True)
    home.materialize(*INGEST, days=(FIRST_DAY, LAST_DAY))
    home.materialize(*CANDIDATE, as_of=AS_OF)


def test_an_upgraded_library_trains_it_again_and_an_unused_one_does_not(
    home: SmallHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = home.mlflow_runs()
    with another_version("rich", tmp_path / "rich", monkeypatch):
        home.materialize(*CANDIDATE, as_of=AS_OF)
    assert home.mlflow_runs() == runs
    with another_version("lightgbm", tmp_path / "lightgbm", monkeypatch):
        home.materialize(*CANDIDATE, as_of=AS_OF)
        assert identity(home, "model").libraries["lightgbm"] == "99.0"
    first, second = home.registry.versions(FRAUD)
    assert '"lightgbm":"99.0"' in second.tags["mlops/libraries"]
    assert '"lightgbm":"99.0"' not in first.tags["mlops/libraries"]


def test_what_nothing_was_made_from_may_change(home: SmallHome) -> None:
    tables, runs = home.table_versions(), home.mlflow_runs()
    sections = {
        "title": "Another name",
        "monitoring": {"window_days": 3},
        "retention": {"table_history_days": 400},
    }
    changed = SmallHome(home.root, small_product(**sections))
    changed.materialize(*CANDIDATE, as_of=AS_OF)
    assert (changed.table_versions(), changed.mlflow_runs()) == (tables, runs)


def test_a_result_says_by_content_what_it_was_made_from(home: SmallHome) -> None:
    made = identity(home, "evaluation")
    assert set(made.read) == {
        "table training_set",
        "table events",
        "the candidate and the run that shows it",
        "the variants",
        "the champion",
    }
    assert {"gates", "evaluation", "label", "training", "baselines", "view"} <= set(made.declared)
    assert {"numpy", "polars", "scikit-learn", "lightgbm", "python"} <= set(made.libraries)
    assert not {"dagster", "mlflow"} & set(made.libraries)
    assert identity(home, "gate_verdicts") == made


@pytest.mark.parametrize(
    ("noun", "read"),
    [
        ("raw_events", {"the source's events"}),
        ("labels", {"the source's labels"}),
        ("features", {"events", "labels"}),
        ("training_set", {"features", "labels", "as of", "when events were known"}),
    ],
)
def test_a_table_that_is_always_made_says_what_it_was_made_from(
    home: SmallHome, noun: str, read: set[str]
) -> None:
    made = identity(home, noun)
    assert set(made.read) == read
    assert "polars" in made.libraries
    assert made.declared
