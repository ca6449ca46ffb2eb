#!/bin/sh
# Docker Engine for this machine: finds one that answers, else starts one, else installs Debian's and starts that.
#   docker.sh ensure [STATE_DIR]   prints the engine's version; STATE_DIR gets dockerd.log and dockerd.pid
#   docker.sh stop   [STATE_DIR]   ends the engine this script started, and no other; its containers go on
# Environment: DOCKER_HOST, DOCKER_DATA_ROOT (/var/lib/docker), DEMO_INSTALL=0 forbids installing.
# Exit codes: 0 done, 1 no engine, 2 wrong usage, 3 installing is needed but forbidden.
set -eu
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

command=${1:-}
state=${2:-${STATE_DIR:-/var/lib/slipway}}
data_root=${DOCKER_DATA_ROOT:-/var/lib/docker}
wait_s=60

say() { printf '%s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
version() { # the answering engine's; a client without an engine prints blank lines
    number=$(have docker && timeout 20 docker version --format '{{.Server.Version}}' 2>/dev/null </dev/null) || return 1
    printf '%s\n' "$number"
}

sudo_word=
may_be_root() {
    [ "$(id -u)" -eq 0 ] && return 0
    have sudo && sudo -n true 2>/dev/null </dev/null && sudo_word="sudo -n"
}
as_root() { $sudo_word "$@" </dev/null; }

ours() { # true where the process in our pid file is a dockerd that was given this pid file
    pid=$(cat "$state/dockerd.pid" 2>/dev/null) && [ -n "$pid" ] || return 1
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] || return 1
    tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -- "--pidfile=$state/dockerd.pid"
}

packages_needed() {
    have dockerd || printf 'docker.io '
    have iptables || printf 'iptables '
    # Since Debian 13 the client is a package of its own, and docker.io only recommends it.
    if ! have docker && apt-cache show docker-cli >/dev/null 2>&1; then printf 'docker-cli '; fi
}

install_engine() {
    if [ "${DEMO_INSTALL:-1}" = 0 ]; then
        say "Docker Engine is not installed, and DEMO_INSTALL=0 forbids installing it. Install it (Debian: apt-get install docker.io), or set DOCKER_HOST."
        exit 3
    fi
    if ! have apt-get || ! may_be_root; then
        say "Docker Engine is not installed, and this user can't install it here. Install it (Debian: apt-get install docker.io), or set DOCKER_HOST."
        exit 1
    fi
    say "Installing Docker Engine from Debian's package docker.io ..."
    mkdir -p "$state"
    if ! apt-cache show docker.io >/dev/null 2>&1; then
        as_root apt-get -q -o DPkg::Lock::Timeout=300 update >"$state/install.log" 2>&1 || true
    fi
    words=$(packages_needed)
    # shellcheck disable=SC2086 # package names, split on purpose
    install="env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $words"
    if ! as_root $install >>"$state/install.log" 2>&1; then
        # Package lists grow old: what they name may be gone from the mirror.
        as_root apt-get -q -o DPkg::Lock::Timeout=300 update >>"$state/install.log" 2>&1 || true
        if ! as_root $install >>"$state/install.log" 2>&1; then
            say "Installing $words failed. The last lines of $state/install.log:"
            tail -n 15 "$state/install.log" >&2
            exit 1
        fi
    fi
}

# Without an init nobody has mounted the control groups, or handed their controllers down.
prepare_cgroups() {
    [ -d /run/systemd/system ] && return 0
    root=/sys/fs/cgroup
    if ! grep -q " $root" /proc/mounts; then
        as_root mount -t cgroup2 none "$root" 2>/dev/null || { say "No control groups are mounted at $root, and mounting them was refused."; return 0; }
    fi
    if grep -q "^[^ ]* $root cgroup2 ro," /proc/mounts; then
        as_root mount -o remount,rw "$root" 2>/dev/null || say "$root is read-only and could not be made writable: containers may not start."
    fi
    [ -f "$root/cgroup.controllers" ] || return 0
    [ "$(cat "$root/cgroup.controllers")" = "$(cat "$root/cgroup.subtree_control")" ] && return 0
    # A group that holds processes can't hand controllers down, except the kernel's own root: move them to a leaf.
    as_root sh -c "
        mkdir -p $root/init 2>/dev/null
        for pid in \$(cat $root/cgroup.procs); do echo \$pid >$root/init/cgroup.procs; done
        for name in \$(cat $root/cgroup.controllers); do echo +\$name >$root/cgroup.subtree_control; done" 2>/dev/null || true
}

launch() { # starts dockerd with the extra words given and waits; true where an engine answers
    as_root rm -f "$state/dockerd.pid"
    : >"$state/dockerd.log"
    # The group lets the person who asked use the socket without root.
    # shellcheck disable=SC2086,SC2024 # sudo_word is words; the log belongs to the caller on purpose
    setsid nohup $sudo_word env PATH="$path" dockerd --data-root="$data_root" --pidfile="$state/dockerd.pid" \
        --group="$(id -g)" --live-restore "$@" >>"$state/dockerd.log" 2>&1 </dev/null &
    child=$!
    tries=$((wait_s * 5))
    while [ "$tries" -gt 0 ]; do
        version >/dev/null && return 0
        kill -0 "$child" 2>/dev/null || return 1
        tries=$((tries - 1))
        sleep 0.2
    done
    return 1
}

# nft without kernel support, or overlay upon overlay, stop dockerd at once and stand in its log.
launch_with_fallbacks() {
    path=$PATH
    driver= rules=
    while :; do
        # shellcheck disable=SC2086
        launch $driver $rules && return 0
        if [ -z "$driver" ] && grep -Eqi 'graphdriver|storage-driver|driver not supported|overlay.*(invalid argument|not supported|permitted)' "$state/dockerd.log"; then
            driver=--storage-driver=vfs
            have fuse-overlayfs && [ -e /dev/fuse ] && driver=--storage-driver=fuse-overlayfs
            say "overlay2 does not work here: trying ${driver#*=} (slower)."
        elif [ "$driver" = --storage-driver=fuse-overlayfs ] && grep -qi 'graphdriver' "$state/dockerd.log"; then
            driver=--storage-driver=vfs
            say "fuse-overlayfs does not work here: trying vfs (slower)."
        elif [ -z "$rules" ] && [ "$path" = "$PATH" ] && have iptables-legacy && grep -qi 'iptables\|nf_tables' "$state/dockerd.log"; then
            mkdir -p "$state/iptables-legacy"
            for word in iptables ip6tables; do ln -sf "$(command -v $word-legacy)" "$state/iptables-legacy/$word"; done
            path=$state/iptables-legacy:$PATH
            say "iptables over nftables does not work here: trying the legacy one."
        elif [ -z "$rules" ] && grep -qi 'iptables\|nf_tables' "$state/dockerd.log"; then
            rules="--iptables=false --ip6tables=false --ip-masq=false"
            say "iptables does not work here: containers will have no way out to the network."
        else
            return 1
        fi
    done
}

start_engine() {
    if [ -d /run/systemd/system ] && systemctl cat docker.service >/dev/null 2>&1; then
        as_root systemctl start docker.service || true
        version >/dev/null && return 0
        say "systemd's docker.service was started and this user still gets no answer. See: systemctl status docker; and the group docker for the socket."
        exit 1
    fi
    prepare_cgroups
    launch_with_fallbacks && return 0
    say "Docker Engine did not start. The last lines of $state/dockerd.log:"
    tail -n 15 "$state/dockerd.log" >&2
    say "Set it right, or set DOCKER_HOST to an engine that answers."
    exit 1
}

ensure() {
    version && return 0
    if [ -n "${DOCKER_HOST:-}" ] && have docker; then
        say "Docker Engine does not answer at $DOCKER_HOST: start it, or unset DOCKER_HOST to use this machine's."
        exit 1
    fi
    if [ -S /var/run/docker.sock ] && ! [ -w /var/run/docker.sock ] && have docker; then
        say "This user may not use /var/run/docker.sock. Add it to the group docker (usermod -aG docker $(id -un)) and log in again, or set DOCKER_HOST."
        exit 1
    fi
    [ -z "$(packages_needed)" ] || install_engine
    if ! version; then
        if ! may_be_root; then
            say "Docker Engine is installed and not running, and only root can start it: start it (dockerd, or systemctl start docker), or set DOCKER_HOST."
            exit 1
        fi
        mkdir -p "$state"
        state=$(cd "$state" && pwd)
        say "Starting Docker Engine (log: $state/dockerd.log) ..."
        start_engine
        version
    fi
}

stop() {
    [ -d "$state" ] && state=$(cd "$state" && pwd)
    if ! ours; then
        say "No Docker Engine of ours is running (by $state/dockerd.pid)."
        return 0
    fi
    may_be_root || { say "Only root can stop the Docker Engine with pid $pid."; exit 1; }
    as_root kill -TERM "$pid"
    tries=150
    while ours && [ "$tries" -gt 0 ]; do tries=$((tries - 1)); sleep 0.2; done
    if ours; then
        say "Docker Engine (pid $pid) has not ended after 30 s. See $state/dockerd.log."
        exit 1
    fi
    as_root rm -f "$state/dockerd.pid"
    say "Docker Engine stopped. Containers that were running go on; the next start finds them."
}

case $command in
    ensure) ensure ;;
    stop) stop ;;
    *) say "Usage: docker.sh ensure|stop [STATE_DIR]"; exit 2 ;;
esac
