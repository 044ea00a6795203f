#!/bin/sh
# deps.sh GROUP...  installs the packages of these groups that are missing.
# Debian and Ubuntu; elsewhere it names them. Costs a few milliseconds when nothing is missing.
set -eu

packages() {
    case $1 in
    build) echo gcc libc6-dev meson ninja-build pkg-config python3 make ;;
    test)  echo g++ clang clang-format clang-tidy "$(clang_runtime)" curl gdb git valgrind ;;
    run)   echo curl ;;
    docs)  echo scdoc mandoc ;;
    bench) echo golang-go libboost-fiber-dev libst-dev libtbb-dev libomp-dev libpth-dev \
                libuv1-dev python3-gevent wrk nginx-light vsftpd ;;
    web)   echo chromium wrk ;;
    *)     echo "deps.sh: no group is called $1" >&2; exit 2 ;;
    esac
}

# The sanitizers' runtime is a package of its own, named after clang's version.
clang_runtime() {
    version=$(dpkg-query -W -f '${Depends}' clang 2>/dev/null | sed -n 's/.*clang-\([0-9]*\).*/\1/p')
    [ -n "$version" ] ||
        version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\).*/\1/p')
    echo "libclang-rt-${version:-14}-dev"
}

if ! command -v dpkg-query >/dev/null; then
    case $* in
    *build*) command -v meson ninja cc pkg-config python3 >/dev/null && exit 0 ;;
    esac
    echo "This is not Debian or Ubuntu. Please install what these Debian packages hold:" >&2
    for group; do echo "  for $group: $(packages "$group" 2>/dev/null)" >&2; done
    exit 1
fi

missing() {
    # shellcheck disable=SC2086
    dpkg-query -W -f '${db:Status-Status} ${Package} ${Provides}\n' 2>/dev/null |
        awk -v want="$wanted" '
            $1 == "installed" { gsub(/[(][^)]*[)]|,/, ""); for (i = 2; i <= NF; i++) have[$i] = 1 }
            END { n = split(want, w); for (i = 1; i <= n; i++) if (!(w[i] in have)) print w[i] }'
}

wanted=
for group; do wanted="$wanted $(packages "$group")"; done
need=$(missing | sort -u | tr '\n' ' ')
[ -n "${need% }" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "Please install, as root: apt-get install $need" >&2; exit 1; }
    sudo=sudo
fi
echo "installing: $need" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
{ $sudo apt-get -q update && $sudo apt-get -q -y --no-install-recommends install $need; } \
    >"$log" 2>&1 </dev/null || { cat "$log" >&2; exit 1; }
