"""The part of the form that says what to run, and what its script offers."""
