"""What a worker sees of the follower: its word, its silence, and how long ago it succeeded."""

from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.core.serving.host.follower_status import FollowerStatus, status_file
from mlops_assets_tests.support.homes.host_plans import NOON
from serving.following.watch import SILENT_SECONDS, FollowerWatch


class Host:
    """A host's status file, and a watch by a clock that is set by hand."""

    def __init__(self, home: Path) -> None:
        self.now = 100.0
        self.file = status_file(home, "shop")
        self.watch = FollowerWatch(home, "shop", clock=lambda: self.now)

    def say(self, error: str | None = None, seconds: int = 0) -> None:
        FollowerStatus(4, NOON + timedelta(seconds=seconds), error).write(self.file)
        self.watch.look()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_the_last_word_is_shown_and_an_error_with_it(host: Host) -> None:
    assert (host.watch.status, host.watch.has_spoken) == (FollowerStatus(), False)
    host.say("no answer")
    assert (host.watch.status.last_error, host.watch.has_spoken) == ("no answer", True)


def test_a_follower_that_falls_silent_is_told_with_its_last_word(host: Host) -> None:
    host.say("the registry is away")
    host.now += SILENT_SECONDS - 1
    host.watch.look()
    assert host.watch.status.last_error == "the registry is away"
    host.now += 2
    host.watch.look()
    said = str(host.watch.status.last_error)
    assert f"has written nothing to {host.file} for 31 s" in said
    assert said.endswith("the last that it said: the registry is away")
    assert host.watch.status.plan_sequence == 4
    host.say(seconds=40)
    assert host.watch.status.last_error is None


def test_one_that_never_spoke_is_silent_too(host: Host) -> None:
    host.now += SILENT_SECONDS
    assert "has written nothing" in str(host.watch.status.last_error)


def test_time_since_the_last_success_grows_while_it_only_fails(host: Host) -> None:
    host.say(seconds=1)
    host.now += 5
    host.say("no answer", seconds=1)
    assert host.watch.seconds_since_success == 5
    host.say(seconds=2)
    assert host.watch.seconds_since_success == 0


def test_a_damaged_status_is_an_error(host: Host) -> None:
    host.file.parent.mkdir()
    host.file.write_text("{")
    host.watch.look()
    assert "cannot be read" in str(host.watch.status.last_error)


def test_what_was_written_before_the_watch_began_is_no_word(host: Host, tmp_path: Path) -> None:
    host.say("of yesterday")
    later = FollowerWatch(tmp_path, "shop")
    later.look()
    assert not later.has_spoken
