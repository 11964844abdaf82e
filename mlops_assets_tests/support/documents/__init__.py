"""Pages and docstrings as tests read them."""
