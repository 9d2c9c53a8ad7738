"""Prints markup, escapes, links of terminals and letters that turn the text round."""

from __future__ import annotations

import sweepsite_client as sweep
from witness import witness

witness("START")
print(
    "<script>alert(1)</script> \x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07"
)
print("right \u202e left \u2066 x \u2069")
sweep.log(step=0, accuracy=0.5)
witness("END")
