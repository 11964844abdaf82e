"""The groups of the command line are there, each with its own help."""

import pytest
from typer.testing import CliRunner

from mlops_assets import cli


@pytest.mark.parametrize(
    ("group", "verbs"),
    [
        ("store", ["restore"]),
        ("keys", ["create", "list", "revoke"]),
        ("alerts", ["list", "test", "send", "close"]),
        ("metrics", ["show", "serve", "prometheus"]),
    ],
)
def test_a_group_without_a_verb_shows_its_verbs(group: str, verbs: list[str]) -> None:
    shown = CliRunner().invoke(cli.app, [group]).output
    assert [verb for verb in verbs if verb not in shown] == []
