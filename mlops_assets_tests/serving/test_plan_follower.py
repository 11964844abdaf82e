"""The follower: it puts what the plan needs on disk, and whatever goes wrong, the last good snapshot stays."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.record import TABLE
from mlops_assets.core.serving.host.follower_status import FollowerStatus, status_file
from mlops_assets.core.serving.host.snapshot import ServingSnapshot, snapshot_file
from mlops_assets_tests.support.homes.followed import (
    LATER,
    Clock,
    FetcherHere,
    Proofs,
    new_follower,
    roll_back,
    snapshot,
    trial,
)
from mlops_assets_tests.support.homes.small_registry import (
    NOON,
    OTHER_VIEW_VERSION,
    PRODUCT,
    VIEW,
    SmallRegistry,
)
from mlops_assets_tests.support.processes.deaf_server import deaf_server
from serving.following.fetching import ArtifactFetcher
from serving.plan_follower import RETRY_SECONDS, PlanFollower
from serving.served_product import product_view


def test_a_plan_is_installed_with_all_that_serving_needs_to_know(
    small: SmallRegistry, follower: PlanFollower, serving_home: Path
) -> None:
    small.release(2)
    plan = trial(small, 3)
    assert follower.look(NOON) == FollowerStatus(plan.sequence, NOON, None)
    found = snapshot(serving_home)
    assert found.plan == plan
    assert {number: served.threshold for number, served in found.versions.items()} == {2: 0.2, 3: 0.3}
    for number, served in found.versions.items():
        model = TrainedModel.load(served.folder)
        assert model == small.models[number - 1]
        assert served.feature_names == model.feature_names
        assert served.libraries == {"lightgbm": "4.6.0", "polars": "1.44.2"}
    assert FollowerStatus.read(status_file(serving_home, PRODUCT)) == follower.status


def test_nothing_is_written_while_the_plan_stays(follower: PlanFollower, serving_home: Path) -> None:
    follower.look(NOON)
    before = snapshot_file(serving_home, PRODUCT).stat()
    follower.look(NOON + timedelta(seconds=1))
    after = snapshot_file(serving_home, PRODUCT).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert follower.status.last_success_at == NOON + timedelta(seconds=1)


def test_a_rollback_needs_no_artifacts(
    small: SmallRegistry, follower: PlanFollower, serving_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.release(2)
    follower.look(NOON)  # this host never served version 1

    def unavailable(*_: object, **__: object) -> None:
        raise RegistryError("the artifact store is away")

    monkeypatch.setattr(FetcherHere, "model", unavailable)
    roll_back(small)
    assert follower.look(NOON).last_error is None
    assert snapshot(serving_home).plan.champion.version == 1


def test_a_version_of_another_feature_view_is_refused_and_the_last_good_plan_stays(
    small: SmallRegistry, follower: PlanFollower, serving_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = small.standing()
    follower.look(NOON)
    small.release(OTHER_VIEW_VERSION)
    for seconds in range(30):
        status = follower.look(NOON + timedelta(seconds=seconds))
    assert "trained with feature view cdcdcdcdcdcd, but this service computes abab" in str(status.last_error)
    assert (status.plan_sequence, status.last_success_at) == (good.sequence, NOON)
    assert snapshot(serving_home).plan == good
    assert len([record for record in caplog.records if "the last good plan stays" in record.message]) == 1
    small.release(2)
    assert follower.look(NOON + timedelta(seconds=30)).last_error is None, "another plan is followed at once"
    assert snapshot(serving_home).plan.champion.version == 2


@pytest.mark.parametrize("harm", ["missing", "file", "garbage"])
def test_a_record_that_is_away_leaves_the_last_good_plan_also_for_a_new_follower(
    small: SmallRegistry,
    follower: PlanFollower,
    serving_home: Path,
    clock: Clock,
    proofs: Proofs,
    harm: str,
) -> None:
    good = small.standing()
    follower.look(NOON)
    table = Path(small.tables_uri) / PRODUCT / TABLE
    away = table.rename(table.with_name("away"))
    if harm == "file":
        table.write_text("no table")
    if harm == "garbage":
        (table / "_delta_log").mkdir(parents=True)
        (table / "_delta_log" / f"{0:020d}.json").write_text("no commit")
    for one in (follower, new_follower(small, serving_home, clock, proofs)):
        status = one.look(NOON + timedelta(seconds=1))
        assert status.last_error
        assert status.plan_sequence == good.sequence
        assert snapshot(serving_home).plan == good
    if harm == "file":
        table.unlink()
    if harm == "garbage":
        shutil.rmtree(table)
    away.rename(table)
    small.release(2)
    assert follower.look(LATER).last_error is None
    assert snapshot(serving_home).plan.champion.version == 2


def test_a_plan_is_followed_while_the_registry_is_away(
    small: SmallRegistry, follower: PlanFollower, serving_home: Path
) -> None:
    """The record holds all that a service must know of a version; only a model that is new to the host is fetched."""
    small.release(2)
    follower.look(NOON)
    away = small.file.rename(small.file.with_name("away.db"))
    roll_back(small)
    assert follower.look(NOON).last_error is None
    assert snapshot(serving_home).plan.champion.version == 1
    away.rename(small.file)


def damage_model(serving_home: Path, small: SmallRegistry) -> Path:
    file = serving_home / PRODUCT / "models" / small.models[0].digest / "model.lgb"
    file.write_text(file.read_text().replace("leaf_value=", "leaf_value=9", 1))
    return file


def test_a_damaged_model_file_is_fetched_again_and_workers_are_told(
    small: SmallRegistry, follower: PlanFollower, serving_home: Path
) -> None:
    follower.look(NOON)
    before = snapshot_file(serving_home, PRODUCT).stat()
    file = damage_model(serving_home, small)
    assert follower.look(NOON).last_error is None
    assert TrainedModel.load(file.parent) == small.models[0]
    assert snapshot_file(serving_home, PRODUCT).stat().st_ino != before.st_ino


def test_a_damaged_snapshot_is_written_again(
    small: SmallRegistry, follower: PlanFollower, serving_home: Path
) -> None:
    follower.look(NOON)
    snapshot_file(serving_home, PRODUCT).write_text("{")
    follower.look(NOON)
    assert snapshot(serving_home).plan == small.standing()


def test_artifacts_that_were_changed_are_not_served(
    original_registry: SmallRegistry,
    small: SmallRegistry,
    follower: PlanFollower,
    serving_home: Path,
    clock: Clock,
) -> None:
    follower.look(NOON)
    good = small.standing()
    small.release(2)
    stored = next(
        file
        for file in (original_registry.root / "mlartifacts").rglob("extra_files/model.lgb")
        if file.read_text() == small.models[1].booster_text
    )
    content = stored.read_text()
    stored.write_text(content.replace("leaf_value=", "leaf_value=9", 1))
    try:
        assert "does not match its digest" in str(follower.look(NOON).last_error)
        assert snapshot(serving_home).plan == good
    finally:
        stored.write_text(content)
    clock.now += RETRY_SECONDS - 1
    assert follower.look(LATER).last_error, "it is not tried every second, whatever the wall clock says"
    clock.now += 2
    assert follower.look(NOON).last_error is None


def test_models_out_of_use_are_removed(
    small: SmallRegistry, follower: PlanFollower, serving_home: Path
) -> None:
    follower.look(NOON)
    abandoned = serving_home / PRODUCT / "models" / ".interrupted"
    abandoned.mkdir()
    small.release(2)
    for version in (3, 2, 3, 2, 3, 2):
        small.release(version)
        follower.look(NOON)
    found = {entry.name for entry in abandoned.parent.iterdir()}
    assert found == {small.models[1].digest, small.models[2].digest}


def test_a_product_without_a_plan_says_what_to_do(
    original_registry: SmallRegistry, serving_home: Path
) -> None:
    status = PlanFollower(PRODUCT, original_registry.control, serving_home, VIEW).look(NOON)
    assert (status.plan_sequence, status.last_success_at) == (None, None)
    assert f"{PRODUCT} has no release plan below {original_registry.tables_uri}" in str(status.last_error)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("a defect")])
def test_whatever_fails_the_follower_says_it_and_follows_the_next_plan(
    small: SmallRegistry, follower: PlanFollower, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    follower.look(NOON)
    with monkeypatch.context() as patch:
        patch.setattr(ServingSnapshot, "write", raiser(error))
        small.release(2)
        assert str(error) in str(follower.look(NOON).last_error)
    small.release(3)
    assert follower.look(NOON).last_error is None


def test_a_status_that_cannot_be_written_ends_nothing(
    small: SmallRegistry,
    follower: PlanFollower,
    serving_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(FollowerStatus, "write", raiser(OSError(28, "No space left on device")))
        follower.look(NOON)
        small.release(2)
        follower.look(NOON)
    assert snapshot(serving_home).plan == small.standing()
    assert len([one for one in caplog.records if "services cannot be told" in one.message]) == 1


def raiser(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def start(small: SmallRegistry, serving_home: Path, *options: str) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ,
        "MLOPS_TABLES_URI": small.tables_uri,
        "MLFLOW_TRACKING_URI": small.uri,
        "MLOPS_SERVING_HOME": str(serving_home),
    }
    command = [sys.executable, "-m", "serving.plan_follower", PRODUCT, "--interval", "0.05", *options]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def wait_until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_one_process_follows_for_a_host_and_the_next_takes_over(
    small: SmallRegistry, serving_home: Path
) -> None:
    """The installed view is not that of the small registry: both processes can only say so."""
    status = status_file(serving_home, PRODUCT)
    first = start(small, serving_home, "--server", str(os.getpid()))
    second = None
    try:
        wait_until(lambda: FollowerStatus.read(status).last_error is not None)
        assert product_view(PRODUCT).digest[:12] in str(FollowerStatus.read(status).last_error)
        third = start(small, serving_home, "--server", str(os.getpid()))
        assert third.wait(60) == 0, "one that has a server is not needed beside another"
        second = start(small, serving_home)
        first.send_signal(signal.SIGSTOP)
        status.unlink()
        time.sleep(2)
        assert not status.exists(), "the second waits while the first lives"
        first.kill()
        first.wait()
        wait_until(status.exists)
    finally:
        for process in filter(None, (first, second)):
            process.kill()
            process.wait()


def test_a_follower_ends_with_its_server_whoever_started_it(small: SmallRegistry, serving_home: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as server:
        process = start(small, serving_home, "--server", str(server.pid))
        try:
            wait_until(status_file(serving_home, PRODUCT).exists)
            server.kill()
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
            server.kill()


def test_a_registry_that_hangs_keeps_no_other_plan_from_being_followed(
    small: SmallRegistry,
    follower: PlanFollower,
    serving_home: Path,
    proofs: Proofs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Version 2 is not on this host, and its fetch never ends; services are told, and the rollback arrives."""
    follower.look(NOON)
    monkeypatch.setattr("serving.plan_follower.STALLED_SECONDS", 0.2)
    small.release(2)
    own = ReleaseControl(small.tables_uri, small.uri)
    file = status_file(serving_home, PRODUCT)
    with deaf_server() as server:
        hanging = PlanFollower(
            PRODUCT, own, serving_home, VIEW, prove=proofs, fetcher=ArtifactFetcher(server.url)
        )
        looking = look_in_a_thread(hanging)
        wait_until(lambda: FollowerStatus.read(file).stalled is not None)
        stalled = str(FollowerStatus.read(file).stalled)
        wait_until(server.asked.is_set)
        back = small.release(1)
        looking.join(60)
        assert not looking.is_alive()
        looking = look_in_a_thread(
            hanging
        )  # it serves the plan, and then tries again to be ready for version 2
        wait_until(lambda: FollowerStatus.read(file).plan_sequence == back.sequence)
        assert snapshot(serving_home).plan == back
        assert FollowerStatus.read(file).last_error is None
        small.release(3)
        looking.join(60)
        assert not looking.is_alive()
    assert stalled.startswith(f"the fetch of the model of {PRODUCT} version 2 from the registry has taken")
    assert [entry.name for entry in (serving_home / PRODUCT / "models").iterdir()] == [small.models[0].digest]


def look_in_a_thread(follower: PlanFollower) -> threading.Thread:
    looking = threading.Thread(target=follower.look, args=(NOON,), daemon=True)
    looking.start()
    return looking


def test_a_rollback_that_cannot_be_prepared_keeps_nobody_from_knowing_that_the_plan_is_served(
    small: SmallRegistry,
    follower: PlanFollower,
    serving_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[FollowerStatus] = []

    def fail(*_: object, **__: object) -> None:
        told.append(FollowerStatus.read(status_file(serving_home, PRODUCT)))
        raise OSError(28, "No space left on device")

    small.release(2)
    monkeypatch.setattr("serving.following.host_versions.HostVersions.keep_ready", fail)
    follower.look(NOON)
    assert [one.plan_sequence for one in told] == [small.standing().sequence]
    assert follower.status.last_error is None
    assert "a rollback is not prepared" in caplog.text
