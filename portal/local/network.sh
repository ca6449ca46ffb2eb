#!/bin/sh
# A way out for jobs: the Docker network slipway-outgoing. What is on it reaches the outside; no service of this host, no
# private, link-local or neighbouring address (so no database, portal or metadata service there), and no other job.
#   network.sh ensure    makes it, or puts right what is missing; may be run again at any time
#   network.sh remove    takes it away with its rules
# Run it as root on each host that serves a machine type, or a version, whose network is outgoing: after each start of the
# machine and each reload of its firewall. Until then the bridge has no address, and jobs on it reach nothing.
# Environment: OUTGOING_SUBNET (172.29.0.0/16), OUTGOING_ALLOW (addresses that jobs may reach though they are private, as
#   10.1.2.3, 10.4.0.0/16 or 10.1.2.3:27000 for one TCP port, parted by blanks), DOCKER_HOST.
# Exit codes: 0 done, 1 it failed, 2 wrong usage.
set -eu
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

network=slipway-outgoing
bridge=slipway0
subnet=${OUTGOING_SUBNET:-172.29.0.0/16}
# RFC 6890: what is not the outside.
inside="0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.168.0.0/16 198.18.0.0/15 224.0.0.0/4 240.0.0.0/4"

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
docker_() { docker "$@" </dev/null; }

ready_to_act() {
    [ "$(id -u)" -eq 0 ] || fail "Only root may change the network of this host. Run network.sh as root."
    for word in docker ip iptables; do have "$word" || fail "$word is not installed here. Install it (Debian: docker.io, iproute2, iptables)."; done
    docker_ version >/dev/null 2>&1 || fail "Docker Engine does not answer. Start it (portal/local/docker.sh ensure), or set DOCKER_HOST."
}

# The command that sees the engine's own rules: iptables over nftables, or the legacy one.
choose_iptables() {
    for word in iptables iptables-legacy iptables-nft; do
        if have "$word" && "$word" -w -n -L DOCKER-USER >/dev/null 2>&1; then
            iptables=$word
            restore=$(echo "$word" | sed 's/^iptables\(.*\)$/iptables\1-restore/')
            return 0
        fi
    done
    fail "Docker Engine keeps no chain DOCKER-USER: it was started without iptables, or keeps its rules elsewhere. Without it nothing can be made safe."
}

of_network() { docker_ network inspect --format "$1" "$network" 2>/dev/null; }

make_network() {
    if found=$(of_network '{{index .Options "com.docker.network.bridge.name"}} {{index .Options "com.docker.network.bridge.enable_icc"}} {{index .Options "com.docker.network.bridge.inhibit_ipv4"}} {{.EnableIPv6}}'); then
        [ "$found" = "$bridge false true false" ] ||
            fail "There is a network $network that this script did not make. Remove it (docker network rm $network), then run ensure again."
        subnet=$(of_network '{{range .IPAM.Config}}{{.Subnet}}{{end}}')
    else
        case $subnet in
            *[!0-9./]* | *.*.*.*.* | */*/*) say "OUTGOING_SUBNET is '$subnet'. Allowed: an IPv4 network such as 172.29.0.0/16."; exit 2 ;;
            *.*.*.0/*) ;;
            *) say "OUTGOING_SUBNET is '$subnet'. Allowed: an IPv4 network that ends with .0, such as 172.29.0.0/16."; exit 2 ;;
        esac
        docker_ network create --driver bridge --subnet "$subnet" --gateway "${subnet%.*}.1" --label slipway.outgoing=1 \
            --opt com.docker.network.bridge.name="$bridge" --opt com.docker.network.bridge.enable_icc=false \
            --opt com.docker.network.bridge.inhibit_ipv4=true "$network" >/dev/null ||
            fail "Docker Engine did not make the network $network. Its words are above; another OUTGOING_SUBNET may help."
        say "Made the network $network ($subnet)."
    fi
    gateway=${subnet%.*}.1
    length=${subnet#*/}
}

# Containers on one bridge are kept apart by iptables only where the kernel shows it what crosses a bridge.
filter_bridges() {
    file=/proc/sys/net/bridge/bridge-nf-call-iptables
    [ -f "$file" ] || modprobe br_netfilter 2>/dev/null || true
    [ -f "$file" ] || fail "The kernel's module br_netfilter is not there, without which jobs could reach one another."
    [ "$(cat "$file")" = 1 ] || echo 1 >"$file" || fail "$file can't be set to 1, without which jobs could reach one another."
}

# Name servers that the engine asks on behalf of a container: the ones it reads.
nameservers() {
    file=/etc/resolv.conf
    if grep -q '^nameserver 127\.0\.0\.53' "$file" && [ -r /run/systemd/resolve/resolv.conf ]; then file=/run/systemd/resolve/resolv.conf; fi
    sed -n 's/^nameserver[[:space:]]*\([0-9.]*\)[[:space:]]*$/\1/p' "$file" | grep -v '^127\.' || true
}

rules() {
    printf '*filter\n:SLIPWAY-IN - [0:0]\n:SLIPWAY-OUT - [0:0]\n'
    printf -- '-A SLIPWAY-IN -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN\n'
    printf -- '-A SLIPWAY-IN -j DROP\n'
    printf -- '-A SLIPWAY-OUT -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN\n'
    printf -- '-A SLIPWAY-OUT -o %s -j DROP\n' "$bridge"
    for server in $(nameservers); do
        printf -- '-A SLIPWAY-OUT -d %s -p udp --dport 53 -j RETURN\n-A SLIPWAY-OUT -d %s -p tcp --dport 53 -j RETURN\n' "$server" "$server"
    done
    for word in ${OUTGOING_ALLOW:-}; do
        case $word in
            *:*) printf -- '-A SLIPWAY-OUT -d %s -p tcp --dport %s -j RETURN\n' "${word%:*}" "${word##*:}" ;;
            *) printf -- '-A SLIPWAY-OUT -d %s -j RETURN\n' "$word" ;;
        esac
    done
    # This host's neighbours too, whatever their addresses.
    for range in $inside $(ip -4 route show scope link | awk '$1 != "default" {print $1}' | sort -u); do
        printf -- '-A SLIPWAY-OUT -d %s -j DROP\n' "$range"
    done
    printf 'COMMIT\n'
}

jump() { # jump IPTABLES CHAIN TARGET: what comes from the bridge goes through the target first
    "$1" -w -C "$2" -i "$bridge" -j "$3" 2>/dev/null || "$1" -w -I "$2" 1 -i "$bridge" -j "$3"
}
unjump() {
    while "$1" -w -D "$2" -i "$bridge" -j "$3" 2>/dev/null; do :; done
}

ipv6() { # there is none on this network; a host that forwards IPv6 all the same drops it
    word=ip6tables${iptables#iptables}
    if have "$word" && "$word" -w -n -L INPUT >/dev/null 2>&1; then "$@" "$word"; fi
}
close_ipv6() { jump "$1" INPUT DROP && jump "$1" FORWARD DROP; }
open_ipv6() { unjump "$1" INPUT DROP && unjump "$1" FORWARD DROP; }

ensure() {
    ready_to_act
    choose_iptables
    for word in ${OUTGOING_ALLOW:-}; do
        case $word in *[!0-9./:]*) say "OUTGOING_ALLOW holds '$word'. Allowed: IPv4 addresses and networks, with :PORT for one TCP port."; exit 2 ;; esac
    done
    make_network
    filter_bridges
    # All at once: there is no moment in which half of the rules hold.
    rules | "$restore" -w --noflush || fail "The rules for $bridge were not taken; the words of iptables are above."
    jump "$iptables" INPUT SLIPWAY-IN
    jump "$iptables" DOCKER-USER SLIPWAY-OUT
    ipv6 close_ipv6
    # The address comes last, and is gone after a start of the machine, as the rules are: without it there is no way out.
    if ! ip -4 -o addr show dev "$bridge" | grep -q " $gateway/$length "; then
        ip addr add "$gateway/$length" dev "$bridge"
    fi
    ip link set "$bridge" up
    say "$network is ready: jobs on it reach the outside, and neither this host, its neighbours ($(nameservers | tr '\n' ' ')for names only) nor one another."
}

remove() {
    ready_to_act
    choose_iptables
    if of_network '{{.Id}}' >/dev/null; then
        docker_ network rm "$network" >/dev/null || fail "Jobs are on $network. Run remove again when they have ended."
    fi
    unjump "$iptables" INPUT SLIPWAY-IN
    unjump "$iptables" DOCKER-USER SLIPWAY-OUT
    for chain in SLIPWAY-IN SLIPWAY-OUT; do
        "$iptables" -w -F "$chain" 2>/dev/null && "$iptables" -w -X "$chain" || true
    done
    ipv6 open_ipv6
    say "$network and its rules are gone."
}

case ${1:-} in
    ensure) ensure ;;
    remove) remove ;;
    *) say "Usage: network.sh ensure|remove"; exit 2 ;;
esac
