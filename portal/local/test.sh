#!/bin/sh
# Everything `make test` runs: sets up what is missing, runs every check and test, and ends the engine it started.
# Run from the project's folder, after the packages of requirements-dev.txt are installed.
# Environment: SLIPWAY_STATE, DEMO_INSTALL=0 forbids installing, DOCKER_HOST.
set -eu

state=${SLIPWAY_STATE:-$PWD/var}/test
log=$state/chromium.log

say() { printf '%s\n' "$*" >&2; }

ensure_chromium() {
    for word in chromium chromium-browser google-chrome; do
        if command -v "$word" >/dev/null 2>&1; then return 0; fi
    done
    if [ "${DEMO_INSTALL:-1}" = 0 ]; then
        say "The browser tests need Chromium, and DEMO_INSTALL=0 forbids installing it. Install it (Debian: apt-get install chromium)."
        exit 3
    fi
    say "Installing Debian's package chromium for the browser tests ..."
    sudo_word=
    [ "$(id -u)" -eq 0 ] || sudo_word="sudo -n"
    apt="$sudo_word env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
    # shellcheck disable=SC2086 # words, split on purpose
    if ! $apt install -y --no-install-recommends chromium fonts-dejavu-core >"$log" 2>&1 </dev/null; then
        { $apt update && $apt install -y --no-install-recommends chromium fonts-dejavu-core; } >>"$log" 2>&1 </dev/null || {
            say "Installing chromium failed. The last lines of $log:"
            tail -n 15 "$log" >&2
            exit 1
        }
    fi
}

mkdir -p "$state"
trap 'portal/local/docker.sh stop "$state"' EXIT # only where that script started it
trap 'exit 1' HUP INT TERM
ensure_chromium
say "Docker Engine $(portal/local/docker.sh ensure "$state")"
portal/local/base_image.sh "$state"
examples/build.sh >/dev/null
for recipe in examples/notebook examples/desktop; do portal/local/image.sh build "$recipe" "$state" >/dev/null; done
tests/images/ssh.sh "$state"
"${MAKE:-make}" --no-print-directory check
say "Tests that wait for workers, visit every address as everybody, or try thousands of cases ..."
.venv/bin/python -m pytest -q -n 3 --reruns 1 -raR -m "slow and not docker and not browser and not faults and not openapi" </dev/null
say "Tests with containers, a browser, faults and the API's own description ..."
.venv/bin/python -m pytest -q --reruns 1 -raR -m "docker or browser or faults or openapi" </dev/null
