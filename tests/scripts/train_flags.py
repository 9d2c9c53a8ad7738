"""A script with flags: its metric is a bowl around lr 0.01."""

import argparse
import math

import sweepsite_client as sweep

parser = argparse.ArgumentParser()
parser.add_argument("--optimizer", choices=["sgd", "adam"], default="sgd")
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--momentum", type=float, default=0.9)
parser.add_argument("--batch-size", type=int, default=32)
options = parser.parse_args()

for epoch in range(4):
    loss = (math.log10(options.lr) + 2) ** 2 + 1 / (epoch + options.batch_size)
    sweep.log(step=epoch, val_loss=loss)
