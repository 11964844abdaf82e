"""How a bento's latency under load is shown: as metadata, and as a check."""

from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from mlops_assets.core.bento.smoke import SmokeResult

LATENCY_CHECK = "latency_holds"
LATENCY_VERDICT = "latency_verdict"
LATENCY_REASON = "latency_reason"


def smoke_metadata(result: "SmokeResult") -> dict[str, Any]:
    """Describe what a smoke test saw."""
    probe, latency = result.probe, result.latency
    compared = {
        "p99_times_the_champions": latency.ratio,
        "p99_times_the_champions_low": latency.ratio_low,
        "p99_times_the_champions_high": latency.ratio_high,
        "champions_own_turns_differ_by": latency.champion_spread,
    }
    return {
        "golden_requests": result.requests,
        "seconds_to_ready": result.seconds_to_ready,
        "requests_under_load": probe.requests,
        "requests_per_second_under_load": probe.requests_per_second,
        "p50_ms_under_load": probe.p50_ms,
        "p99_ms_under_load": probe.p99_ms,
        LATENCY_VERDICT: latency.verdict,
        LATENCY_REASON: latency.reason,
        **{name: value for name, value in compared.items() if value is not None},
    }


def with_latency_again(earlier: dg.MaterializeResult, *, version: int) -> dg.MaterializeResult:
    """Give an earlier result its check again: what was found on the latency of the version's bento stays."""
    told = earlier.metadata or {}
    verdict, reason = (getattr(told.get(name), "value", "") for name in (LATENCY_VERDICT, LATENCY_REASON))
    return earlier._replace(check_results=[latency_check(verdict, reason, version=version)])


def latency_check(verdict: str, reason: str, *, version: int) -> dg.AssetCheckResult:
    """Make the check: passed when the verdict is pass, else a warning; a fail refuses the bento and has no check."""
    return dg.AssetCheckResult(
        check_name=LATENCY_CHECK,
        passed=verdict == "pass",
        severity=dg.AssetCheckSeverity.WARN,
        description=f"version {version}: {verdict}: {reason}",
        metadata={"verdict": verdict, "version": version},
    )
