"""Trials beside the sampler's: asked for again, changed, by hand, or to fill gaps."""
