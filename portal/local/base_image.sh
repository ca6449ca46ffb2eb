#!/bin/sh
# The image slipway-python:bookworm: Debian's python3 on a minimal base, made from packages, without a registry.
#   base_image.sh [STATE_DIR]      does nothing where the image is there; STATE_DIR gets base_image.log
# Environment: DOCKER_HOST, TMPDIR (needs 250 MB), DEBIAN_MIRROR (else the machine's own), DEMO_INSTALL=0 forbids installing,
#   BASE_IMAGE (another tag), BASE_IMAGE_PACKAGES (more packages in it, parted by commas), BASE_IMAGE_FILES (packages whose
#   files alone are in it, without what they depend on, parted by blanks).
# Exit codes: 0 done, 1 it failed, 3 installing is needed but forbidden.
set -eu
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

tag=${BASE_IMAGE:-slipway-python:bookworm}
packages=python3${BASE_IMAGE_PACKAGES:+,$BASE_IMAGE_PACKAGES}
state=${1:-${STATE_DIR:-/var/lib/slipway}}
log=$state/base_image.log

say() { printf '%s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

sudo_word=
may_be_root() {
    [ "$(id -u)" -eq 0 ] && return 0
    have sudo && sudo -n true 2>/dev/null </dev/null && sudo_word="sudo -n"
}

install_builder() {
    have mmdebstrap && return 0
    if [ "${DEMO_INSTALL:-1}" = 0 ]; then
        say "The image $tag is made with mmdebstrap, which is not installed, and DEMO_INSTALL=0 forbids installing it. Install it (apt-get install mmdebstrap)."
        exit 3
    fi
    if ! have apt-get || ! may_be_root; then
        say "The image $tag is made with mmdebstrap, which this user can't install here. Install it, or give the tag $tag to an image with python3."
        exit 1
    fi
    say "Installing Debian's package mmdebstrap ..."
    apt="$sudo_word env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
    # Package lists may be missing, or name what is gone from the mirror.
    # shellcheck disable=SC2086 # words, split on purpose
    $apt install -y --no-install-recommends mmdebstrap >>"$log" 2>&1 </dev/null ||
        { $apt update && $apt install -y --no-install-recommends mmdebstrap; } >>"$log" 2>&1 </dev/null ||
        fail "Installing mmdebstrap failed."
}

fail() {
    say "$* The last lines of $log:"
    tail -n 15 "$log" >&2
    exit 1
}

# Prints the sources to build from: the machine's own where they are for this suite, else its mirror, else Debian's.
sources() {
    components=main
    [ "$distribution" = ubuntu ] && components="main universe"
    if [ -n "${DEBIAN_MIRROR:-}" ]; then
        printf 'deb %s %s %s\n' "$DEBIAN_MIRROR" "$suite" "$components"
    elif [ "$codename" = "$suite" ]; then
        own_sources
    else
        printf 'deb %s %s main\n' "$(own_mirror)" "$suite"
    fi
}
own_files() { # with a distribution's keys; other vendors' sources would bring other packages
    for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/ubuntu.sources /etc/apt/sources.list; do
        [ -s "$file" ] && printf '%s\n' "$file"
    done
    return 0
}
own_sources() {
    file=$(own_files | head -n 1)
    if [ -n "$file" ]; then cat "$file"; else printf 'deb http://deb.debian.org/debian %s main\n' "$suite"; fi
}
own_mirror() {
    mirror=$(own_sources | grep -Eo 'https?://[^] ]*/debian/?( |$)' | head -n 1 | tr -d ' ')
    printf '%s\n' "${mirror:-http://deb.debian.org/debian}"
}

build() {
    # Times come from here, so that two builds from the same packages hold the same bytes.
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1704067200}
    export SOURCE_DATE_EPOCH
    files_hook=true # `:` is no program, and mmdebstrap runs a single word without a shell
    if [ -n "${BASE_IMAGE_FILES:-}" ]; then
        files_hook="cd '$folder' && APT_CONFIG=\"\$MMDEBSTRAP_APT_CONFIG\" apt-get download $BASE_IMAGE_FILES && for file in *.deb; do dpkg-deb -x \"\$file\" \"\$1\"; done"
    fi
    # The mount points are there beforehand because jobs have a read-only root. 505 is the default run user.
    sources | mmdebstrap --variant=minbase --include="$packages" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/lintian/*' --aptopt='Acquire::Languages "none"' \
        --customize-hook='mkdir -p "$1/data" "$1/results" "$1/home/slipway" "$1/opt" "$1/etc/JARVICE"' \
        --customize-hook='echo "slipway:x:505:505:Slipway jobs:/home/slipway:/bin/sh" >>"$1/etc/passwd"' \
        --customize-hook='echo "slipway:x:505:" >>"$1/etc/group"' \
        --customize-hook='ln -sf python3 "$1/usr/bin/python"' \
        --customize-hook="$files_hook" \
        --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/cache/debconf/*-old "$1"/var/log/*' \
        --customize-hook='rm -f "$1/etc/resolv.conf" "$1/etc/hostname" "$1"/etc/apt/sources.list.d/0* "$1/etc/apt/sources.list"' \
        "$suite" "$folder/base.tar" - >>"$log" 2>&1
}

have docker || { say "The docker client is not installed: run docker.sh ensure first."; exit 1; }
if docker image inspect "$tag" >/dev/null 2>&1 </dev/null; then exit 0; fi
docker version >/dev/null 2>&1 </dev/null || { say "Docker Engine does not answer: run docker.sh ensure first, or set DOCKER_HOST."; exit 1; }

mkdir -p "$state"
: >"$log"
distribution= codename=
[ ! -r /etc/os-release ] || eval "$(. /etc/os-release; printf 'distribution=%s codename=%s' "${ID:-}" "${VERSION_CODENAME:-}")"
suite=bookworm
[ "$distribution" = ubuntu ] && suite=$codename
install_builder
folder=$(mktemp -d "${TMPDIR:-/tmp}/base-image.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
say "Making the image $tag from $distribution $suite's packages (${BASE_IMAGE_TIME:-about half a minute}) ..."
build || fail "Making the image $tag failed."
docker import --change 'LABEL slipway.base=1' --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'ENV LANG=C.UTF-8' --change 'CMD ["python3"]' "$folder/base.tar" "$tag" >>"$log" 2>&1 </dev/null ||
    fail "Docker Engine did not take the image $tag."
say "Made $tag: $(docker image inspect --format '{{.Size}}' "$tag" </dev/null | awk '{printf "%d MB", $1 / 1000000}')."
