#!/bin/bash
# Workers of one pool as jobs of Slurm: sbatch slurm-worker.sh
# Each serves the pool while it has work, and leaves before its time is over. Words after
# the name of this file are further options of the worker.
#SBATCH --job-name=sweepsite-worker
#SBATCH --array=1-8
#SBATCH --time=04:00:00
#SBATCH --cpus-per-task=4
#SBATCH --mem=16G
#SBATCH --gres=gpu:1
#SBATCH --signal=B:TERM@40
set -eu
# Readable by you only: SWEEPSITE_URL, SWEEPSITE_WORKER_TOKEN and REDIS_URL.
. "${SWEEPSITE_WORKER_ENV:-$HOME/.config/sweepsite/worker.env}"
export SWEEPSITE_URL SWEEPSITE_WORKER_TOKEN REDIS_URL
# A folder of this job alone, on the disk of its host.
SWEEPSITE_HOME=$(mktemp -d "${TMPDIR:-/tmp}/sweepsite-worker.XXXXXX")
export SWEEPSITE_HOME
trap 'rm -rf "$SWEEPSITE_HOME"' EXIT
cd "${SWEEPSITE_CODE:-/opt/sweepsite}"
.venv/bin/python manage.py worker --burst --pool default --gpus auto "$@" &
worker=$!
# Slurm sends it to this shell 40 seconds before the end, and scancel at any time.
trap 'kill -TERM "$worker"' TERM
# A signal ends the first wait only.
wait "$worker" || wait "$worker"
