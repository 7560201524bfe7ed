"""Image sets by name, batches of them, and how general sets are built."""
