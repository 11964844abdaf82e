"""What a reader says of something stored that is not of the format that it reads."""


def other_format(subject: str, found: object, *, readable: int, remedy: str) -> str:
    """Return a sentence that names both formats, says which side is behind, and what to do."""
    is_later = isinstance(found, int) and found > readable
    writer = "a later version of mlops-assets wrote it" if is_later else "this version does not know it"
    return f"{subject} has format {found}, readable is {readable}: {writer}; {remedy}"
