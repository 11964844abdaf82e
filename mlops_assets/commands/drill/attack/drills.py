"""Drills of clients that ask for too much: each attack is sent for real, under load, while health is probed."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from mlops_assets.commands.drill.attack import blows
from mlops_assets.commands.drill.attack.blows import Blow
from mlops_assets.commands.drill.attack.probe import PATHS, Probe, probing
from mlops_assets.commands.drill.stage import Drill, Seen, Stage, answered_since, failed

LONGEST_SECONDS = 0.1
"""Within which liveness and readiness must answer under each attack."""
FEWEST_PROBES = 20
"""Answers of each path without which nothing is known."""
TRIES = 3
"""How often an attack is played until health was quick: what else runs on a machine only ever makes it slower."""
QUIET_SECONDS = 1.0
ANSWERS = 60
WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Attack:
    """What is sent, and what the server must do with it."""

    name: str
    done: str
    expected: str
    send: Callable[[Stage], Blow]


def attacked(attack: Attack) -> Callable[[Stage], Seen]:
    """Return how the attack is played: the load of others, a quiet second, the blow, and some answers afterwards.

    It is played again, a few times, where health was slow and nothing else amiss.
    """

    def play(stage: Stage) -> Seen:
        tried, seen = 1, once(stage)
        while seen.is_only_late and tried < TRIES:
            tried, seen = tried + 1, once(stage)
        return replace(seen, words=f"{seen.words} (try {tried})")

    def once(stage: Stage) -> Seen:
        with stage.load() as load, probing(stage.url) as probe:
            load.wait_for(lambda answers: len(answers) >= ANSWERS, seconds=WAIT_SECONDS)
            quiet = time.monotonic()
            time.sleep(QUIET_SECONDS)
            began = time.monotonic()
            blow = attack.send(stage)
            ended = time.monotonic()
            load.wait_for(lambda _: answered_since(load, ended) >= ANSWERS, seconds=WAIT_SECONDS)
        return judged(
            blow,
            probe,
            began=began,
            quiet=quiet,
            answered=answered_since(load, began),
            refused=len(failed(load.answers)),
        )

    return play


def judged(blow: Blow, probe: Probe, *, began: float, quiet: float, answered: int, refused: int) -> Seen:
    """Say what was seen; as expected is an attack that arrived, whole, and was noticed by nobody else.

    blow: what arrived. probe: the answers of health. began, quiet: when the attack and the second before it began, on
    the monotonic clock. answered, refused: requests of others since then.
    """
    told, is_healthy, is_quick = [], True, True
    for path in PATHS:
        answers = probe.since(began, path)
        before = [one.seconds for one in probe.since(quiet, path) if one.at < began]
        worst = max((one.seconds for one in answers), default=0.0)
        wrong = sum(one.status != 200 for one in answers)
        is_healthy = is_healthy and len(answers) >= FEWEST_PROBES and not wrong
        is_quick = is_quick and worst <= LONGEST_SECONDS
        told.append(
            f"GET {path} took {1000 * worst:.0f} ms at most in {len(answers)} probes "
            f"({1000 * max(before, default=0.0):.0f} ms before), {wrong} of them not 200"
        )
    words = (
        f"{blow.felt} of {blow.planned} {blow.words}; {'; '.join(told)}; of others' requests {answered} were answered, "
        f"{refused} refused"
    )
    is_sound = blow.felt == blow.planned > 0 and is_healthy and answered > 0 and not refused
    return Seen(words, is_sound and is_quick, is_only_late=is_sound and not is_quick)


ATTACKS = (
    Attack(
        "attack-outputs",
        "an Open Inference request of 0.95 MB named one output 35,000 times",
        "413",
        blows.many_outputs,
    ),
    Attack(
        "attack-long-history",
        "1,000 events of one entity with 21,000 rows came in one request",
        "scored, or given up after 10 s",
        blows.long_history,
    ),
    Attack(
        "attack-costly-bodies",
        "bodies of 1 MB that are costly to read came over several connections at once",
        "4xx",
        blows.costly_bodies,
    ),
    Attack(
        "attack-broken-bytes",
        "bodies and headers that are no JSON, no UTF-8 or no numbers",
        "4xx of the documented form, each counted",
        blows.broken_bytes,
    ),
    Attack(
        "attack-cut-off",
        "events were cut off in the middle of their bodies",
        "none of them is scored",
        blows.cut_off,
    ),
    Attack(
        "attack-paths",
        "5,000 paths that nobody knows were asked for",
        "404 under one label",
        blows.unknown_paths,
    ),
    Attack("attack-long-head", "a head of 200 MB was sent", "431 near its limit", blows.long_head),
    Attack("attack-half-heads", "200 heads were sent by half", "408 within their time", blows.half_heads),
    Attack("attack-half-bodies", "200 bodies were sent by half", "408 within their time", blows.half_bodies),
    Attack(
        "attack-slow-bodies", "50 bodies came a byte at a time", "408 within their time", blows.slow_bodies
    ),
    Attack(
        "attack-idle", "2,000 connections were opened and asked for nothing", "all are closed", blows.idle
    ),
)
ATTACK_DRILLS = tuple(
    Drill(
        one.name,
        one.done,
        f"{one.expected}; liveness and readiness answer within {1000 * LONGEST_SECONDS:.0f} ms; nobody else is refused",
        attacked(one),
    )
    for one in ATTACKS
)
