"""People, service accounts, their tokens, and invitations."""
