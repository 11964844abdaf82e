"""The same tables on an S3 server on the loopback interface, reached over HTTP."""

import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import boto3
import botocore.exceptions
import polars as pl
import pytest

from mlops_assets.core.errors import TableError, TableNotFoundError
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.retention import apply_table_retention, plan_table_retention
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo

COMMIT = CommitInfo(run_id="run-1", code_version="7")
FIRST = date(2018, 4, 1)


SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server in a process of its own: deltalake's file listing holds the interpreter lock while it waits."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.terminate()


@pytest.fixture
def options(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }


@pytest.fixture
def root(endpoint: str, request: pytest.FixtureRequest) -> str:
    bucket = f"lake-{zlib.crc32(request.node.name.encode())}"
    client(endpoint).create_bucket(Bucket=bucket)
    return f"s3://{bucket}/tables"


def client(endpoint: str):
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )


def days(first: int, end: int) -> DayRange:
    return DayRange(FIRST + timedelta(days=first), FIRST + timedelta(days=end))


def rows(numbers: list[int], amount: float = 1.0) -> pl.DataFrame:
    dates = [FIRST + timedelta(days=number) for number in numbers]
    return pl.DataFrame({"amount": [amount] * len(dates), "event_date": dates})


def check_life_of_a_table(tables: DeltaTables) -> None:
    with pytest.raises(TableNotFoundError):
        tables.read("shop", "events")
    assert tables.names("shop") == ()
    assert tables.write("shop", "events", rows([0, 1]), days=days(0, 2), commit=COMMIT).changed
    assert not tables.write("shop", "events", rows([1, 0]), days=days(0, 2), commit=COMMIT).changed
    assert tables.write("shop", "events", rows([1], 2.0), days=days(1, 2), commit=COMMIT).version == 1
    assert tables.read("shop", "events")["amount"].to_list() == [1.0, 2.0]
    assert tables.read("shop", "events", days=days(1, 2), version=0)["amount"].to_list() == [1.0]
    assert [entry["run_id"] for entry in tables.history("shop", "events")] == ["run-1", "run-1"]
    assert tables.names("shop") == ("events",)
    now = datetime.now(UTC) + timedelta(days=40)
    plans = plan_table_retention(tables, "shop", now=now, keep_days=30)
    assert [(plan.table, len(plan.files), plan.bytes > 0) for plan in plans] == [("events", 1, True)]
    apply_table_retention(tables, plans, commit=COMMIT)
    assert tables.read("shop", "events")["amount"].to_list() == [1.0, 2.0]


def test_a_table_lives_in_a_bucket_given_by_storage_options(root: str, options: dict[str, str]) -> None:
    check_life_of_a_table(DeltaTables(root, options))


def test_a_table_lives_in_a_bucket_given_by_the_environment(
    root: str, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in options.items():
        monkeypatch.setenv(name, value)
    check_life_of_a_table(DeltaTables(root))


def test_the_server_refuses_to_overwrite_a_commit(root: str, endpoint: str) -> None:
    put = {"Bucket": root.split("/")[2], "Key": "00000000000000000000.json", "Body": b"x", "IfNoneMatch": "*"}
    client(endpoint).put_object(**put)
    with pytest.raises(botocore.exceptions.ClientError, match="PreconditionFailed"):
        client(endpoint).put_object(**put)


def test_a_bucket_that_is_not_there_is_named(options: dict[str, str]) -> None:
    with pytest.raises(TableError, match=r"shop/events at s3://nowhere/tables/shop/events cannot be opened"):
        DeltaTables("s3://nowhere/tables", options).read("shop", "events")


def test_without_conditional_puts_nothing_is_committed(root: str, options: dict[str, str]) -> None:
    unsafe = DeltaTables(root, {**options, "AWS_CONDITIONAL_PUT": "disabled"})
    with pytest.raises(OSError, match="conditional put is disabled"):
        unsafe.write("shop", "events", rows([0]), days=days(0, 1), commit=COMMIT)
    assert not DeltaTables(root, options).exists("shop", "events")


def test_writers_that_race_lose_no_commit(root: str, options: dict[str, str]) -> None:
    tables, errors = DeltaTables(root, options), []
    barrier = threading.Barrier(3)

    def work(number: int) -> None:
        try:
            barrier.wait(timeout=60)
            for round_number in range(3):
                amount = float(10 * number + round_number)
                tables.append("shop", "log", pl.DataFrame({"amount": [amount]}), commit=COMMIT)
                tables.write(
                    "shop", "days", rows([number], amount), days=days(number, number + 1), commit=COMMIT
                )
                tables.write("shop", "whole", rows([0, 1, 2], amount), days=None, commit=COMMIT)
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not errors
    assert sorted(tables.read("shop", "log")["amount"]) == [0, 1, 2, 10, 11, 12, 20, 21, 22]
    assert tables.read("shop", "days")["amount"].to_list() == [2, 12, 22]
    whole = tables.read("shop", "whole")["amount"]
    assert (whole.len(), whole.n_unique()) == (3, 1)
