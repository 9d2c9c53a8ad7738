"""The health check, the administrators' page and its metrics."""
