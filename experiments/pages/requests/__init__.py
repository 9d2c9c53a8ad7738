"""Trials beside the sampler's: run again, changed, by hand, or backfilled."""
