"""Feature views: the declaration, and the two executors that answer it with the same bits."""
