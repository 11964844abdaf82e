"""How a host follows the release plan: the follower's life, its proof of a model, and what workers see of it."""
