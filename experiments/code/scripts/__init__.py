"""What a training script says about itself: its arguments and the metrics it reports.

Scripts are anybody's. They are parsed and never run, and size and depth are bounded.
"""
