"""A damaged store is restored by one command, with its records and the states that it had."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from mlops_assets.cli import app
from mlops_assets.commands.store import is_record, print_restoration, restore
from mlops_assets.core.errors import ConfigurationError, OnlineStoreError
from mlops_assets.core.features.online.layout import empty_key
from mlops_assets.core.online_store.load import is_loaded
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.serving.prediction_record import encode_record, prediction_id
from mlops_assets.core.settings import load_settings
from mlops_assets.core.times import as_microseconds
from mlops_assets_tests.support.captured import captured_record
from mlops_assets_tests.support.homes.small_home import FRAUD, SmallHome

RECORDS = 5


@pytest.fixture
def home(released_home: SmallHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallHome:
    home = released_home.copy(tmp_path / "home")
    monkeypatch.setenv("MLOPS_HOME", str(home.root))
    for name in ("MLFLOW_TRACKING_URI", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def store(home: SmallHome) -> Iterator[OnlineStore]:
    home.materialize("online_features")
    with closing(home.store()) as store:
        assert store.commit([], records_of(home))
        yield store


def records_of(home: SmallHome) -> list[bytes]:
    """Of events that the lakehouse knows by now."""
    events = home.read("events").sort("event_timestamp").tail(RECORDS)
    columns = [*home.product.view.input_columns]
    records = []
    for row in events.select(columns).iter_rows(named=True):
        request = {
            name: as_microseconds(value) if isinstance(value, datetime) else value
            for name, value in row.items()
            if name != "known_at"
        }
        record = captured_record(row["transaction_id"], at=row["event_timestamp"])
        records.append(encode_record(msgspec.structs.replace(record, request=request)))
    return records


def states_of(store: OnlineStore) -> dict[str, bytes]:
    return {key: state.content for key, state in store.states() if "@" in key}


def test_records_and_states_are_back_and_a_service_goes_on(home: SmallHome, store: OnlineStore) -> None:
    before, identity = states_of(store), store.identity()
    file = Path(home.settings.online_store) / f"{FRAUD}.sqlite"
    with closing(home.store()) as last:
        last.checkpoint()  # pyright: ignore[reportAttributeAccessIssue]
    key = next(iter(before)).encode()
    content = bytearray(file.read_bytes())
    page = content.index(key) // 4096
    content[page * 4096 : (page + 1) * 4096] = bytes(4096)
    file.write_bytes(content)
    with pytest.raises(OnlineStoreError, match="mlops store restore fraud_detection"):
        states_of(store)
    result = CliRunner().invoke(app, ["store", "restore", FRAUD, "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["records"], told["is_complete"], told["is_loaded"]) == (RECORDS, True, True)
    assert [record.content for record in store.captured()] == records_of(home)
    assert states_of(store) == before
    assert is_loaded(store, home.product.view)
    assert store.identity() == identity
    again = restore(home.settings, FRAUD, loads=True, console=Console(quiet=True))
    assert (again.damage, again.is_loaded, again.states) == (None, False, len(before))


def test_a_store_without_states_is_loaded_and_a_sound_one_is_left_alone(
    home: SmallHome, store: OnlineStore, capsys: pytest.CaptureFixture[str]
) -> None:
    before = states_of(store)
    store.clear()
    done = restore(home.settings, FRAUD, loads=False, console=Console(quiet=True))
    assert (done.damage, done.is_loaded, done.states) == (None, False, 0)
    done = restore(home.settings, FRAUD, loads=True, console=Console(quiet=True))
    assert (done.is_loaded, states_of(store)) == (True, before)
    print_restoration(done, console=Console())
    assert "is sound" in capsys.readouterr().out
    assert store.read([empty_key(home.product.view)])[0].content


def test_only_files_that_are_there_are_restored(tmp_path: Path) -> None:
    for location, said in (("redis://127.0.0.1:1/0", "only the embedded store"), ("", "does not exist")):
        environ = {"MLOPS_HOME": str(tmp_path), "MLOPS_ONLINE_STORE": location}
        settings = load_settings(environ, working_directory=tmp_path)
        with pytest.raises(ConfigurationError, match=said):
            restore(settings, FRAUD, loads=False, console=Console(quiet=True))


def test_bytes_are_a_record_when_its_id_is_that_of_its_request() -> None:
    record = captured_record(1)
    own = prediction_id(record.event_id, record.request, version=record.version)
    assert not is_record(encode_record(record))
    assert is_record(encode_record(msgspec.structs.replace(record, prediction_id=own)))
    assert not is_record(encode_record(record)[:-1])
    assert not is_record(b"{}")
