"""The HTTP API: for people's programs (native) and for workers (worker)."""
