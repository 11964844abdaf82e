"""Alertmanager's receivers on a machine that does not have all their secrets."""

from collections.abc import Mapping
from pathlib import Path

import yaml

_MAIL = "email_configs"
_ENDINGS = ("_file",)
"""Of keys that name the file of a secret."""


def without_missing_secrets(configuration: str) -> tuple[str, tuple[str, ...]]:
    """Return an Alertmanager configuration without the integrations of which a secret's file is not there.

    A receiver that loses all of them stays, and tells nobody. Also returned is what was left out,
    in words.
    """
    content = yaml.safe_load(configuration)
    shared = content.get("global") or {}
    no_mail = _missing_file(shared)
    left_out = []
    for receiver in content["receivers"]:
        for kind in [key for key in receiver if key.endswith("_configs")]:
            kept = []
            for one in receiver[kind]:
                missing = _missing_file(one) or (no_mail if kind == _MAIL else None)
                if missing is None:
                    kept.append(one)
                else:
                    left_out.append(
                        f"{receiver['name']}: no {kind.removesuffix('_configs')} without {missing}"
                    )
            receiver[kind] = kept
    if no_mail:
        content["global"] = {key: value for key, value in shared.items() if not key.startswith("smtp_")}
    return yaml.safe_dump(content, sort_keys=False), tuple(left_out)


def _missing_file(section: Mapping[str, object]) -> str | None:
    files = [str(value) for key, value in section.items() if key.endswith(_ENDINGS)]
    return next((file for file in files if not Path(file).is_file()), None)
