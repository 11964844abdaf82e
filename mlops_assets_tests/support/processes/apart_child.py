"""A process that runs apart, and waits, shouts, or starts another one: `python -m … KIND FILE`, for tests."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from serving.following.apart import die_in_time


def main() -> None:
    """Write the ids of this process, and of the one that it starts, into the file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["waits", "shouts", "starts"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--life", type=int)
    options = parser.parse_args()
    die_in_time(seconds=options.seconds, life=options.life)
    ids = [os.getpid()]
    if options.kind == "starts":
        ids.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid)
    partial = options.file.with_name("partial")
    partial.write_text(" ".join(map(str, ids)))
    partial.rename(options.file)
    if options.kind == "shouts":
        for number in range(2000):
            sys.stdout.write(f"{number} {'x' * 10_000}\n")
        sys.stdout.write('{"growth": 1}\n')
        return
    time.sleep(600)


if __name__ == "__main__":
    main()
