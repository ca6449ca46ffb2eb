#!/bin/sh
# The image slipway-test-ssh:bookworm, which the tests of several nodes start: the base image and Debian's OpenSSH.
#   ssh.sh [STATE_DIR]      does nothing where the image is there; see portal/local/base_image.sh for the rest
set -eu

BASE_IMAGE=slipway-test-ssh:bookworm
BASE_IMAGE_PACKAGES=openssh-server,openssh-client
export BASE_IMAGE BASE_IMAGE_PACKAGES
exec "$(dirname "$0")/../../portal/local/base_image.sh" "$@"
