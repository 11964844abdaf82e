"""Findings keep their order and their content as rows."""

from mlops_assets.core.monitoring.finding import Finding, findings_frame, findings_from_frame


def _finding(subject: str, state: str, consequence: float | None = None) -> Finding:
    return Finding(topic="drift", subject=subject, state=state, reason="why", consequence=consequence)  # type: ignore[arg-type]


def test_alarms_come_first_and_among_them_what_matters_most() -> None:
    findings = [
        _finding("a", "ok", 9),
        _finding("b", "alarm", 1),
        _finding("c", "alarm", 3),
        _finding("d", "alarm"),
    ]
    assert findings_frame(findings)["subject"].to_list() == ["c", "b", "d", "a"]


def test_a_table_of_findings_is_read_back_as_it_was() -> None:
    findings = (_finding("b", "alarm", 1), _finding("a", "ok"))
    assert findings_from_frame(findings_frame(findings)) == findings
    assert findings_from_frame(findings_frame([])) == ()
