"""One single run: what its program logged, and what people do with it."""
