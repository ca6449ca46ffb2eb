#!/bin/sh
# The Python environment in .venv, with the packages of one requirements file.
#   environment.sh REQUIREMENTS STAMP      run from the project's folder; STAMP is touched when all is installed
# Environment: PYTHON (else the first python3 that is new enough), DEMO_INSTALL=0 forbids installing Debian packages.
# Exit codes: 0 done, 1 it failed, 3 installing is needed but forbidden.
set -eu

requirements=$1 stamp=$2
log=${SLIPWAY_STATE:-var}/logs/environment.log

say() { printf '%s\n' "$*" >&2; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    for word in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if new_enough "$word"; then
            python=$word
            return
        fi
    done
    say "Python 3.11 or newer is needed, and no python3 here is. Install it (Debian 12: apt-get install python3 python3-venv), or set PYTHON to one."
    exit 1
}

# Debian keeps what makes environments in a package of its own.
ensure_venv() {
    "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 && return 0
    if [ "${DEMO_INSTALL:-1}" = 0 ]; then
        say "This Python can't make environments, and DEMO_INSTALL=0 forbids installing what is missing. Install it (Debian: apt-get install python3-venv)."
        exit 3
    fi
    sudo_word=
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null </dev/null; then sudo_word="sudo -n"; else sudo_word=none; fi
    fi
    if ! command -v apt-get >/dev/null 2>&1 || [ "$sudo_word" = none ]; then
        say "This Python can't make environments, and this user can't install what is missing. Install it (Debian: apt-get install python3-venv)."
        exit 1
    fi
    say "Installing Debian's package python3-venv ..."
    apt="$sudo_word env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
    # shellcheck disable=SC2086 # words, split on purpose
    $apt install -y --no-install-recommends python3-venv >>"$log" 2>&1 </dev/null ||
        { $apt update && $apt install -y --no-install-recommends python3-venv; } >>"$log" 2>&1 </dev/null ||
        fail "Installing python3-venv failed."
}

fail() {
    say "$* The last lines of $log:"
    tail -n 15 "$log" >&2
    exit 1
}

if ! { mkdir -p "$(dirname "$log")" && : >"$log"; } 2>/dev/null; then
    say "The state folder ${SLIPWAY_STATE:-var} can't be written to. Set SLIPWAY_STATE to a folder you may write to."
    exit 1
fi
if ! new_enough .venv/bin/python; then
    find_python
    ensure_venv
    "$python" -m venv --clear .venv >>"$log" 2>&1 || fail "Making the environment .venv failed."
fi
say "Installing the Python packages of $requirements into .venv (a minute or two the first time) ..."
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --no-compile -r "$requirements" \
    >>"$log" 2>&1 </dev/null || fail "Installing the Python packages failed: is the package index reachable?"
touch "$stamp"
