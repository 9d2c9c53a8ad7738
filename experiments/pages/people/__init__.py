"""People of the site, for its administrators."""
