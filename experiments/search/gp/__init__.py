"""A Gaussian process over a search space, and what it proposes to try."""
