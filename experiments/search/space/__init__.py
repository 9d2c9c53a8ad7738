"""Parameters, their distributions, conditions, constraints and counting."""
