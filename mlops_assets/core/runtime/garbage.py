"""How Python's garbage collector treats what a long process has loaded."""

import gc


def freeze_what_is_loaded() -> None:
    """Let collections pass over all objects that are there now; call it when a process has loaded its parts.

    They stay until it ends, and a collection of the oldest generation would walk them each time: 0.2 s for the modules
    and definitions of a run. What is garbage now is collected first, since nothing would find it afterwards.
    """
    gc.collect()
    gc.freeze()
