"""The pages that people open: one per window, and one over all windows of a product."""
