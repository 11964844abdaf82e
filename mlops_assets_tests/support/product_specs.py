"""Small product declarations for the automation tests."""

from mlops_assets.core.product_spec import ProductSpec

FRAUD = ProductSpec.model_validate(
    {
        "name": "fraud_detection",
        "title": "Fraud",
        "description": "Fraudulent card payments.",
        "domain": "payments",
        "owners": ["team:risk"],
        "id_column": "transaction_id",
        "time": {"start_date": "2018-08-01", "end_date": "2018-10-01"},
        "source": {"kind": "simulator"},
        "label": {"column": "is_fraud", "description": "the payment was fraudulent", "delay_days": 7},
        "split": {"kind": "time"},
        "gates": [{"name": "auc_floor", "metric": "auc", "minimum": 0.6}],
        "monitoring": {"alarms": 2, "of_windows": 3, "cooldown_days": 7},
    }
)
COHORT = ProductSpec.model_validate(
    {
        "name": "mortality_risk",
        "title": "Mortality",
        "description": "Death within two months.",
        "domain": "health",
        "owners": ["team:clinic"],
        "id_column": "patient_id",
        "source": {"kind": "csv"},
        "label": {"column": "died", "description": "died within two months"},
        "split": {"kind": "stratified"},
        "gates": [{"name": "auc_floor", "metric": "auc", "minimum": 0.6}],
        "schedules": {"daily": None},
    }
)
