"""One folder per model product; a product imports core only, never another product."""
