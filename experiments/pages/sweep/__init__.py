"""One sweep's pages: overview, trials, settings and events, and their feed."""
