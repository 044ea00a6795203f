#!/bin/sh
# deps.sh GROUP...  installs the packages of these groups that are missing.
# Debian and Ubuntu; elsewhere it names them. Costs a few milliseconds when nothing is missing.
set -eu

packages() {
    for group; do
        case $group in
        build) echo gcc g++ libc6-dev make meson ninja-build pkg-config python3 git scdoc \
                    libc-ares-dev libmsgpack-dev libssl-dev ;;
        test)  echo binutils clang "$(clang_runtime)" clang-format curl dnsmasq-base gdb netbase \
                    netcat-openbsd openssl procps spin wrk chromium ;;
        more)  echo clang-tidy valgrind mandoc \
                    gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user ;;
        bench) echo golang-go libboost-fiber-dev libst-dev libtbb-dev libomp-dev libpth-dev \
                    libuv1-dev libevent-dev libssl-dev libc-ares-dev dnsmasq-base openssl python3-gevent wrk ;;
        *)     echo "deps.sh: no group is called $group" >&2; exit 2 ;;
        esac
    done
}

# The runtime of clang's sanitizers is a package of its own, named after clang's version.
clang_runtime() {
    version=$({ dpkg-query -W -f '${Depends}' clang || apt-cache depends clang; } 2>/dev/null |
        sed -n 's/.*clang-\([0-9][0-9]*\).*/\1/p' | head -n 1)
    echo "libclang-rt-${version:-14}-dev"
}

missing() {
    wanted=$(packages "$@")
    dpkg-query -W -f '${db:Status-Status} ${Package} ${Provides}\n' | awk -v want="$wanted" '
        $1 == "installed" { gsub(/[(][^)]*[)]|,/, ""); for (i = 2; i <= NF; i++) have[$i] = 1 }
        END { n = split(want, w); for (i = 1; i <= n; i++) if (!(w[i] in have)) print w[i] }' |
        sort -u | tr '\n' ' '
}

if ! command -v dpkg-query >/dev/null; then
    if [ "$*" = build ] || [ "$*" = 'build test' ]; then
        command -v cc meson ninja pkg-config python3 >/dev/null && exit 0
    fi
    echo "This is not Debian or Ubuntu. Please install what these packages hold:" >&2
    echo "   " $(packages "$@") >&2
    exit 1
fi

need=$(missing "$@")
[ -n "$need" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "Please install, as root: apt-get install $need" >&2; exit 1; }
    sudo='sudo env'
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { $sudo DEBIAN_FRONTEND=noninteractive apt-get -q "$@" </dev/null >>"$log" 2>&1 ||
        { cat "$log" >&2; exit 1; }; }
[ -n "$sudo" ] || sudo=env
apt update
need=$(missing "$@")                            # now that apt knows which clang there is
echo "installing: $need" >&2
# shellcheck disable=SC2086
apt -y --no-install-recommends install $need
