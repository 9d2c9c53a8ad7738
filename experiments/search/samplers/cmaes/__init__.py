"""The evolution strategy with covariance matrix adaptation, replayed from a history."""
