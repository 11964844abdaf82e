"""The HTTP face of a service: routes, bodies, and the documents that describe them."""
