"""Home: what is running, what needs somebody, what is new in the team."""
