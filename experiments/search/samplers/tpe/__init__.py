"""The tree-structured Parzen estimator, and the densities that it compares."""
