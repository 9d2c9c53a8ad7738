"""The experiments of a team, and one of them."""
