"""Tags that automation puts on the runs it asks for, so that a run's page says why it ran.

What must not live here: tags of assets.
"""

PRODUCT = "mlops/product"
TRIGGER = "mlops/trigger"
"""captured, drift, schedule or canary_judge."""
AS_OF = "mlops/as_of"
"""UTC day, ISO; the run may use what was known before its midnight."""
CAUSE = "mlops/cause"
"""JSON list of what alarmed: `drift:<column>`, `performance`."""
WINDOW_END = "mlops/window_end"
"""Last UTC day of the newest window that alarmed, ISO."""
CHAMPION_VERSION = "mlops/champion_version"
"""Registry version whose windows alarmed."""
PLAN_SEQUENCE = "mlops/plan_sequence"
"""The release plan that a judgement is about."""
JUDGEMENT = "mlops/judgement"
"""The canary judge's sentence."""
EVIDENCE = "mlops/evidence"
"""JSON list: per question of the canary judge its verdict, evidence and limit."""
