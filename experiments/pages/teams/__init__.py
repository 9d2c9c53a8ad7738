"""Teams, their people and API tokens."""
