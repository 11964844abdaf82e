"""Ways to a person: the log, webhooks, Slack, e-mail."""
