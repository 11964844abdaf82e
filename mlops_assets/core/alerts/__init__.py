"""Who is told of what: rules, open alerts, and an outbox that keeps each message until it was delivered."""
