"""What a declaration is made of: sections that know their keys, and what single values may be."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,62}$")]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,63}$")]
Owner = Annotated[str, Field(pattern=r"^(team:.+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7})$")]
Cron = Annotated[
    str,
    Field(pattern=r"^(@(hourly|daily|weekly|monthly|yearly)|[0-9*/,A-Za-z#?-]+( [0-9*/,A-Za-z#?-]+){4})$"),
]
Scalar = str | int | float | bool


class Section(BaseModel):
    """Base of every section: frozen, and strict about unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
