"""Output files of trials and runs: a tree, previews, downloads."""
