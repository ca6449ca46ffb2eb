#!/bin/sh
# An image from a recipe: a folder with a Dockerfile and lists of packages. Nothing but Debian's and Python's own archives is
# asked, and only from this machine: the engine builds without a network and without a registry.
#   image.sh build RECIPE [STATE_DIR]   makes slipway-<folder's name>:1 where it is missing or its recipe has changed; prints its id
#   image.sh check RECIPE               prints its id where it is there and of this recipe
# A recipe:
#   Dockerfile        begins with `ARG BASE` and `FROM $BASE`: slipway-python:bookworm, or that with the packages
#   packages.txt      optional: packages of Debian, one a line; `NAME files` takes the files alone, without what NAME depends on
#   requirements.txt  optional: packages of PyPI as `pip freeze` lists them, all of them; they lie in wheels/ beside the Dockerfile,
#                     with pip itself
# Environment: DOCKER_HOST, DEMO_INSTALL=0 forbids installing, PYTHON (the Python whose pip fetches), and what base_image.sh reads.
# Exit codes: 0 done, 1 it failed, 2 wrong usage, 3 installing is needed but forbidden, 4 (check) it is not there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "$1 The last lines of $log:"
    tail -n 15 "$log" >&2
    exit 1
}
usage() {
    say "Usage: image.sh build RECIPE [STATE_DIR] | image.sh check RECIPE. RECIPE is a folder with a Dockerfile; see the head of image.sh."
    exit 2
}

command=${1:-}
[ -n "${2:-}" ] && [ -f "$2/Dockerfile" ] || usage
recipe=$(cd "$2" && pwd)
name=slipway-$(basename "$recipe")
tag=$name:1
state=${3:-${STATE_DIR:-/var/lib/slipway}}
log=$state/$name.log

entries() { # the lines of a list without remarks; nothing where there is no list
    [ -f "$1" ] || return 0
    sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$1"
}
packages=$(entries "$recipe/packages.txt" | awk 'NF == 1' | paste -sd , -)
files_only=$(entries "$recipe/packages.txt" | awk '$2 == "files" {print $1}' | paste -sd ' ' -)

# What the image is made of: the recipe's files, and the way they are read, which counts up when that changes.
digest() {
    (
        cd "$recipe"
        find . -type f ! -name '*.pyc' ! -name AppDef.json | LC_ALL=C sort | while read -r file; do sha256sum "$file"; done
        echo reading=1
    ) | sha256sum | cut -c 1-16
}
id_if_current() {
    found=$(docker image inspect --format '{{index .Config.Labels "slipway.recipe"}} {{.Id}}' "$tag" 2>/dev/null </dev/null) || return 1
    [ "${found% *}" = "$(digest)" ] && printf '%s\n' "${found#* }"
}

# A base of its own where Debian's packages are asked for; its tag says which, so that it is made anew when they change.
make_base() {
    base=slipway-python:bookworm
    if [ -n "$packages$files_only" ]; then
        base=$name-base:$(printf '%s\n' "$packages $files_only" | sha256sum | cut -c 1-12)
        BASE_IMAGE=$base BASE_IMAGE_PACKAGES=$packages BASE_IMAGE_FILES=$files_only BASE_IMAGE_TIME="one to three minutes" \
            "$here/base_image.sh" "$state"
        # Those of earlier lists only take room.
        for old in $(docker images --format '{{.Repository}}:{{.Tag}}' "$name-base" </dev/null); do
            [ "$old" = "$base" ] || docker image rm "$old" >/dev/null 2>&1 </dev/null || true
        done
    else
        "$here/base_image.sh" "$state"
    fi
}

# The wheels for the image's own Python, whatever Python this machine has.
fetch_wheels() {
    python=${PYTHON:-$here/../../.venv/bin/python}
    [ -x "$python" ] || python=python3
    facts=$(docker run --rm --network none --entrypoint python3 "$base" -c \
        'import os, platform; print(platform.python_version(), platform.machine(), os.confstr("CS_GNU_LIBC_VERSION").split(".")[1])' </dev/null) ||
        fail "The image $base could not be asked for its Python."
    # shellcheck disable=SC2086 # three words
    set -- $facts
    version=$1 machine=$2 minor=$3
    words="--python-version $version --implementation cp --only-binary=:all:"
    while [ "$minor" -ge 5 ]; do
        words="$words --platform manylinux_2_${minor}_$machine"
        minor=$((minor - 1))
    done
    say "Fetching the packages of $(basename "$recipe")/requirements.txt from PyPI ..."
    # shellcheck disable=SC2086 # words, split on purpose
    "$python" -m pip download --quiet --disable-pip-version-check --no-input --no-deps $words --platform "manylinux2014_$machine" \
        --dest "$folder/wheels" -r "$recipe/requirements.txt" pip >>"$log" 2>&1 </dev/null ||
        fail "Fetching the packages of $recipe/requirements.txt failed. Is PyPI, or the index that pip is set to, reachable from here?"
}

build() {
    mkdir -p "$state"
    : >"$log"
    make_base
    folder=$(mktemp -d "${TMPDIR:-/tmp}/image.XXXXXX")
    trap 'rm -rf "$folder"' EXIT
    trap 'exit 1' HUP INT TERM
    [ ! -f "$recipe/requirements.txt" ] || fetch_wheels
    cp -R "$recipe/." "$folder/"
    say "Building the image $tag ..."
    # The classic builder needs nothing from outside.
    tar -cf - --mode=a+rX -C "$folder" . | DOCKER_BUILDKIT=0 docker build --network none --build-arg "BASE=$base" \
        --label "slipway.recipe=$(digest)" --tag "$tag" - >>"$log" 2>&1 || fail "Building the image $tag failed."
    say "Made $tag: $(docker image inspect --format '{{.Size}}' "$tag" </dev/null | awk '{printf "%d MB", $1 / 1000000}')."
}

case $command in
    check) id_if_current || exit 4 ;;
    build)
        id_if_current && exit 0
        build
        id_if_current
        ;;
    *) usage ;;
esac
