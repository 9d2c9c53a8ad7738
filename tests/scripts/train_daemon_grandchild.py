"""Leaves a daemon (double fork, setsid, deaf to SIGTERM) that holds standard output.

Ends at once; with "wait" it stays, with "hang" it is deaf to SIGTERM too.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from witness import witness

witness("START")
sys.stdout.flush()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # Before the witness: a test may take the reader away from then on.
        print("the daemon lives", flush=True)
        witness("START")
        time.sleep(600)
    os._exit(0)
os.wait()
if "hang" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
if "wait" in sys.argv:
    time.sleep(600)
witness("END")
