# /// script
# requires-python = ">=3.11"
# dependencies = ["pillow", "pyte"]
# ///
"""Record `docs/images/recording.gif`: the real commands in a real terminal, then pages of the real web UI.

    uv run docs/recording/make_recording.py

It needs `make setup`, Chromium, the ports 3000 to 3002 and 5000, and some ten minutes: it begins with an empty home.
Waits are shortened; the clock in the corner of the terminal is the real one.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from PIL import Image
from terminal import Screen, Terminal

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "docs/images/recording.gif"
WIDTH, HEIGHT = 900, 600
COLOURS = 64
MOST_SCREENS = 36
"""Of a command that ran for minutes; they are spread evenly over its time."""
STEP_SECONDS, HOLD_SECONDS = 0.25, 3.5
UI = "http://127.0.0.1:3000"
UI_PAGES = (
    f"{UI}/assets/fraud_detection/release?view=lineage&lineageScope=upstream&lineageDepth=12",
    f"{UI}/assets/fraud_detection/model_version?view=checks",
    f"{UI}/assets/fraud_detection/evaluation?view=events",
)
PREDICT = """curl -s 127.0.0.1:3001/predict -H 'content-type: application/json' -d '{
  "transaction_id": 900001, "event_timestamp": "2018-09-30T10:00:00Z", "known_at": "2018-09-30T10:00:01Z",
  "customer_id": 17, "terminal_id": 42, "amount_usd": 250.0}'; echo"""
CHROMIUM = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--hide-scrollbars")  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """A picture and how long it stays."""

    picture: Image.Image
    seconds: float


def photograph(url: str, *, width: int = WIDTH, height: int = HEIGHT, wait_seconds: int = 0) -> Image.Image:
    """Open a page in a fresh Chromium, give its scripts `wait_seconds`, and return a picture of WIDTH × HEIGHT."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "page.png"
        command = [*CHROMIUM, f"--user-data-dir={folder}/profile", f"--window-size={width},{height}",
                   f"--screenshot={picture}", url]  # fmt: skip
        if wait_seconds:  # a budget of 0 would never end
            command.append(f"--virtual-time-budget={wait_seconds * 1000}")
        subprocess.run(command, check=True, capture_output=True, timeout=180)
        with Image.open(picture) as image:
            return image.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def terminal_frames(title: str, screens: Sequence[Screen]) -> list[Frame]:
    """Photograph a command's screens, at most MOST_SCREENS of them, and hold the last one."""
    step = max(1, len(screens) / MOST_SCREENS)
    chosen = [screens[int(i * step)] for i in range(int(len(screens) / step))]
    chosen = [*chosen[:-1], screens[-1]]
    frames = []
    with tempfile.TemporaryDirectory() as folder:
        for screen in chosen:
            page = Path(folder) / "screen.html"
            page.write_text(screen.page(title), encoding="utf-8")
            seconds = HOLD_SECONDS if screen is chosen[-1] else STEP_SECONDS
            frames.append(Frame(photograph(page.as_uri()), seconds))
    return frames


def wait_for(url: str, *, seconds: float = 180) -> None:
    """Return once the address answers."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urlopen(url, timeout=5):  # noqa: S310 (the addresses are ours)
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def record(home: Path) -> list[Frame]:
    """Run the demo, the web UI and a service in a fresh home, and return the frames."""
    environment = {"MLOPS_HOME": str(home)}
    demo = Terminal("make demo", environment)
    demo.finish(seconds=3600)
    frames = terminal_frames("make demo", demo.screens)
    status = Terminal(".venv/bin/mlops status | head -25", environment)
    status.finish(seconds=120)
    frames += terminal_frames("mlops status", status.screens[-1:])
    plan = Terminal(".venv/bin/mlops plan fraud_detection", environment)
    plan.finish(seconds=120)
    frames += terminal_frames("mlops plan", plan.screens[-1:])

    dev = Terminal("make dev", environment)
    dev.wait_for("3000", seconds=300)
    frames += terminal_frames("make dev", dev.screens[-1:])
    wait_for(UI)
    frames += [
        Frame(photograph(url, width=1275, height=850, wait_seconds=40), HOLD_SECONDS) for url in UI_PAGES
    ]
    dev.interrupt()

    serve = Terminal("make serve", environment)
    serve.wait_for("3001", seconds=300)
    wait_for("http://127.0.0.1:3001/readyz")
    predict = Terminal(PREDICT, environment)
    predict.finish(seconds=60)
    serve.interrupt()
    return frames + terminal_frames("make serve, and in another terminal", predict.screens)


def save(frames: Sequence[Frame], target: Path) -> None:
    """Write the frames as one GIF that repeats."""
    pictures = [frame.picture.quantize(COLOURS, dither=Image.Dither.NONE) for frame in frames]
    pictures[0].save(
        target, save_all=True, append_images=pictures[1:], loop=0, optimize=True,
        duration=[int(frame.seconds * 1000) for frame in frames],
    )  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="mlops-recording-") as folder:
        os.chdir(ROOT)
        save(record(Path(folder)), TARGET)
