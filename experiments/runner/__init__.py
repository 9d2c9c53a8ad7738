"""One training process on a worker: start it, watch it, collect, stop, report.

Standard library only, and nothing of the rest of sweepsite: a worker needs neither
the database nor Django to run a trial. What measures a running one loads psutil and
the library of NVIDIA's driver when it first needs them.
"""
