"""Home: what runs in the team, what needs attention, what is new."""
