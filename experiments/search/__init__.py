"""The search core: spaces, samplers, early termination. No web, queue or database."""
