"""Every limit of what a client can ask of a worker; docs/reference/limits-of-a-service.md lists them for readers."""

MAXIMUM_HEAD = 32_768
"""Bytes of a request's line and headers together."""
MAXIMUM_HEADERS = 100
"""Headers of one request."""
MAXIMUM_BODY = 1_048_576
"""Bytes of a request's body: 1,000 events of 1 KB."""
MAXIMUM_SENT = 8 * MAXIMUM_BODY
"""Bytes that a connection may send for one request, with the frames of its chunks and what nobody reads any more."""
MAXIMUM_BODIES = 64 * MAXIMUM_BODY
"""Bytes of all bodies that are not complete yet."""
MAXIMUM_VALUES = 50_000
"""Values of one body, whatever the product: what is costly about a body is how many objects it makes."""
MAXIMUM_EVENTS = 1000
"""Events of one request."""
VALUES_PER_COLUMN = 2
"""Values of one body per column of the product and event that it may have, as far as MAXIMUM_VALUES allows."""
MAXIMUM_ID = 1000
"""Characters of an Open Inference request's id, which its answer repeats."""
MAXIMUM_PROBLEMS = 20
"""Faults that one answer lists."""
MAXIMUM_TEXT = 1000
"""Characters of one text in a refusal, which may quote what was sent."""

HEAD_SECONDS = 10.0
"""From the opening of a connection, or the answer before, until a head is complete; an idle connection too."""
BODY_SECONDS = 10.0
"""From a head until its body is complete."""
ANSWER_SECONDS = 10.0
"""From an answer until the client has read it."""
REQUEST_SECONDS = 10.0
"""From the start of scoring a request until it is given up: more than that is left to several requests."""

MAXIMUM_CONNECTIONS = 1000
"""Open connections of a worker. One more closes those that wait longest for a request."""
SPARE_FILES = 100
"""Files that a worker keeps open beside its connections."""

LOST_ROUNDS = 2
"""Rounds of a large request in which others changed its entities first, before it has them for itself."""
HOLD_SECONDS = 2.0
"""How long it has them: other requests for them wait so long at most."""

MAXIMUM_WAITING = 2000
"""Small requests that wait for their turn; the next one is refused with 503, so that none waits for long."""
MAXIMUM_LARGE = 16
"""Large requests that are scored or wait for that; the next one is refused with 503."""
LARGE_AT_ONCE = 4
"""Large requests that are scored at the same time."""
BATCH_EVENTS = 64
"""Events of one commit; a request that has more is a large one, and is scored by itself."""
SMALL_BODY = 16_384
"""Bytes of a body that is read without waiting for a turn: some tenths of a millisecond."""
MAXIMUM_EXPLANATIONS = 16
"""Explanations that are computed or wait for that; the next one is refused with 503."""
MAXIMUM_SEARCH_SECONDS = 5.0
"""Of a search for a captured prediction."""

READY_SECONDS = 0.05
"""After which readiness answers by what it knows, where a store lets wait for its answer."""
SLICE_SECONDS = 0.01
"""Of scoring within one turn of the event loop; one event more, a read and a commit may come on top."""
