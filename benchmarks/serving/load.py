"""The load of benchmarks/serving: wrk as fast as it goes, and a client of our own at a given rate."""

import asyncio
import gc
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.servers import LOAD_CORE, Contender

CONNECTIONS = 8
PACED_CONNECTIONS = 32


@dataclass(frozen=True)
class Load:
    """What one run of wrk saw."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float


def full_load(contender: Contender, *, seconds: int, customers: int, terminals: int, first_id: int) -> Load:
    """Ask as fast as 8 connections on one core can.

    contender: who is asked. seconds: how long. customers, terminals: how many different ones ask. first_id: of
    the first transaction.

    Raises: SystemExit when wrk is missing or any answer was no 200.
    """
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: install it with the system's package manager")
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        if contender.bodies:
            file.write("\n".join(contender.bodies))
            file.flush()
            arguments = ["file", file.name]
        else:
            arguments = ["events", str(customers), str(terminals), str(first_id)]
        script = Path(__file__).with_name("load.lua")
        wrk = [*("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script))]
        command = ["taskset", "-c", str(LOAD_CORE), *wrk, f"http://127.0.0.1:{contender.port}/"]
        run = subprocess.run(
            [*command, "--", contender.path, *arguments], capture_output=True, text=True, check=True
        )
    found = next((line for line in run.stdout.splitlines() if line.startswith("RESULT ")), None)
    if found is None:
        raise SystemExit(f"wrk gave no result:\n{run.stdout[-1000:]}{run.stderr[-1000:]}")
    result = json.loads(found.removeprefix("RESULT "))
    if result["errors"] or not result["requests"]:
        raise SystemExit(f"{contender.name}: {result['errors']} of {result['requests']} requests failed")
    return Load(result["requests"] / result["seconds"], result["p50_ms"], result["p99_ms"])


def latencies_at_rate(
    contender: Contender, bodies: Iterator[str], *, rate: float, seconds: float
) -> list[float]:
    """Send `rate` requests a second, evenly, whatever the answers take; return seconds from each one's due time.

    An open loop: a request that waits for a free connection waits on the server's account (Tene's coordinated
    omission).
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {LOAD_CORE})
    try:
        return asyncio.run(_paced(contender, bodies, rate, seconds))
    finally:
        os.sched_setaffinity(0, before)


async def _paced(contender: Contender, bodies: Iterator[str], rate: float, seconds: float) -> list[float]:
    gc.collect()
    gc.freeze()  # a collection of all that this process holds takes longer than most answers
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(PACED_CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", contender.port))
    latencies: list[float] = []

    async def ask(due: float, body: bytes) -> None:
        reader, writer = await free.get()
        head = f"POST {contender.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = next(
            line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:")
        ).split(b":")[1]
        await reader.readexactly(int(length))
        latencies.append(time.perf_counter() - due)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"{contender.name} answered {answer[:60]!r} at half load")
        free.put_nowait((reader, writer))

    start = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:  # keeps none that is done
        for number in range(int(rate * seconds)):
            due = start + number / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            tasks.create_task(ask(due, next(bodies).encode()))
    while not free.empty():
        free.get_nowait()[1].close()
    return latencies
