"""The search space's part of the form: rows, pictures, ranges and what is pasted."""
