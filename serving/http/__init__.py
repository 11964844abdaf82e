"""The HTTP face of a service: routes, bodies, errors, and the documents that describe them."""
