"""MLflow's tracking protocol, which its clients speak unchanged.

An MLflow experiment is an Experiment, and a run is a Trial, with or without a sweep.
"""
