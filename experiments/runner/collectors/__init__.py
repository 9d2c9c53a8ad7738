"""Reads metrics from what a training process leaves: lines, event files, tables.

Whatever the source, its points go to the site in one way, marked as collected. The site
leaves them out once the script reports the same name itself.
"""
