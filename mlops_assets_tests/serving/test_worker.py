"""A worker: healthy while its store answers."""

from mlops_assets_tests.support.homes.served_product import Served


def test_health_answers_and_metrics_count_what_was_answered(fraud: Served) -> None:
    assert fraud.client.get("/livez").status_code == fraud.client.get("/readyz").status_code == 200

    def count(metric: str) -> float:
        lines = fraud.client.get("/metrics").text.splitlines()
        return float(next(line.rsplit(" ", 1)[1] for line in lines if line.startswith(metric)))

    answered = 'mlops_requests_total{endpoint="/predict",product="fraud_detection",status="200"}'
    scored = 'mlops_predictions_total{outcome="score",product="fraud_detection",role="champion",version="3"}'
    fraud.predict(fraud.event())
    before = count(answered), count(scored)
    fraud.predict(fraud.event())
    assert (count(answered), count(scored)) == (before[0] + 1, before[1] + 1)
