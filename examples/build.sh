#!/bin/sh
# The image slipway-examples:1: the examples' programs on slipway-python:bookworm (made by portal/local/base_image.sh).
# Prints the image's id.
# Environment: DOCKER_HOST. Exit codes: 0 done, 1 it failed.
set -eu
cd "$(dirname "$0")"
tag=slipway-examples:1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Only what the image needs is sent, and the classic builder needs nothing from outside.
if ! tar -cf - --mode=a+rX Dockerfile plot.py --exclude=__pycache__ --exclude=AppDef.json gallery pi csv-stats word-count dashboard |
    DOCKER_BUILDKIT=0 docker build --network none --tag "$tag" - >"$log" 2>&1; then
    printf 'Building the image %s failed:\n' "$tag" >&2
    tail -n 15 "$log" >&2
    exit 1
fi
docker image inspect --format '{{.Id}}' "$tag"
