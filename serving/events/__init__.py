"""A request's events: the typed form in which a product's contract lets them in."""
