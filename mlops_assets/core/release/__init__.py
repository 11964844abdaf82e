"""Release plans: what one is, the rules that change it, where it stands, its history, and routing by it."""
