"""Workers' notes: a dead worker's file stays and says what it was doing, and what killed it from within."""

import subprocess
import sys
from pathlib import Path

import pytest

from mlops_assets.core.serving.host.worker_notes import WorkerNotes, notes_folder, read_notes

SAY = """
import sys, os, signal, ctypes
from pathlib import Path
from mlops_assets.core.serving.host.worker_notes import WorkerNotes
notes = WorkerNotes(Path(sys.argv[1]), "shop")
notes.say("works", 6)
notes.say("loads", 7)
exec(sys.argv[2])
"""


def died(home: Path, how: str) -> None:
    subprocess.run([sys.executable, "-c", SAY, str(home), how], check=False, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("how", "crash"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", None),
        ("os.abort()", "Aborted"),
        ("ctypes.string_at(0)", "Segmentation fault"),
        ("raise ValueError", None),
    ],
)
def test_the_last_word_of_a_dead_worker_and_its_crash_are_read(
    tmp_path: Path, how: str, crash: str | None
) -> None:
    died(tmp_path, how)
    note = read_notes(tmp_path, "shop")[0]
    assert (note.is_alive, note.plan, note.stage, note.crash) == (False, 7, "loads", crash)


def test_a_living_worker_is_told_from_a_dead_one_and_leaves_nothing_behind(tmp_path: Path) -> None:
    notes = WorkerNotes(tmp_path, "shop")
    assert read_notes(tmp_path, "shop") == []
    notes.say("works", 3)
    assert [(note.is_alive, note.plan, note.stage) for note in read_notes(tmp_path, "shop")] == [
        (True, 3, "works")
    ]
    notes.close()
    assert list(notes_folder(tmp_path, "shop").iterdir()) == []
    notes.close()


def test_what_cannot_be_read_is_a_note_without_words(tmp_path: Path) -> None:
    folder = notes_folder(tmp_path, "shop")
    folder.mkdir(parents=True)
    (folder / "1-a.jsonl").write_text('{"format_version": 2, "plan": 1, "stage": "works"}\n{"pl')
    assert [(note.is_alive, note.plan, note.stage) for note in read_notes(tmp_path, "shop")] == [
        (False, None, None)
    ]


def test_a_note_that_cannot_be_written_stops_no_worker(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "shop").write_text("a file where a folder is needed")
    notes = WorkerNotes(tmp_path, "shop")
    notes.say("loads", 3)
    notes.close()
    assert "cannot be written" in caplog.text
