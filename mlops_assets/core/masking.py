"""Takes credentials out of text that a person or a log will see."""

import re

_USER_AND_PASSWORD = re.compile(r"://[^\s'\"]*@")
_QUERY_VALUE = re.compile(r"([?&][^=&\s'\"]+=)[^&\s'\"]+")


def masked(text: str) -> str:
    """Replace user, password and query values of every URI in `text` by ***; the rest stays as it is.

    It masks too much rather than too little: a password may hold any character but a blank or a quote.
    """
    return _QUERY_VALUE.sub(r"\1***", _USER_AND_PASSWORD.sub("://***@", text))
