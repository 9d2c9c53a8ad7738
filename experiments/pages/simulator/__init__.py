"""The policy simulator: what another policy would have done with a sweep's trials."""
