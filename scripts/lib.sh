# SPDX-License-Identifier: CC0-1.0
#
# Purpose: functions that the scripts share. Source it; do not run it.
# Model: ROOT is the tree. Whatever is downloaded lives under build/deps, reached through an apt
#   configuration of our own (state, cache and architectures under build/deps/apt; sources, keys and
#   proxies the machine's own), so that nothing of the machine's package state is touched. A copy of each
#   download stays in CACHE, for the next clone, which then needs no network. Delete it to get newer ones.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
DEPS=$ROOT/build/deps
CACHE=${XDG_CACHE_HOME:-${HOME:-$DEPS}/.cache}/devine

# Messages are parsed, and files go into root file systems: neither depends on who runs this.
export LC_ALL=C
umask 022

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }

# build_quietly ARCH: builds the kernel; what is said goes to build/ARCH.log, and to the terminal on failure.
build_quietly() {
    local log=$ROOT/build/$1.log
    mkdir -p "$ROOT/build"
    [ -f "$ROOT/build/$1/build.ninja" ] || say "building the kernel for $1 (see ${log#"$ROOT"/})"
    "$ROOT/build.sh" "$1" >"$log" 2>&1 || { cat "$log" >&2; die "the build failed"; }
}

# debian_arch ARCH: Debian's name of our architecture.
debian_arch() {
    case $1 in
        x86_64) echo amd64 ;;
        arm64) echo arm64 ;;
        *) die "unknown architecture '$1' (x86_64 or arm64)" ;;
    esac
}

# Keeps those source entries that name the running release, and adds their deb-src side.
# Other vendors' entries are left out: they seldom carry both architectures.
apt_sources_write() {
    local codename
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
    : >"$1/debian.sources"
    : >"$1/debian.list"
    find /etc/apt/sources.list.d -name '*.sources' -exec cat {} + -exec echo \; 2>/dev/null |
        awk -v want="^$codename(-updates|-security|-backports)?(/updates)?$" '
        function flush() { if (ok && text != "") printf "%s\n", text; text = ""; ok = 0 }
        /^[ \t]*$/ { flush(); next }
        /^#/ { next }
        /^Architectures:/ { next }
        /^Types:/ { text = text "Types: deb deb-src\n"; next }
        /^Suites:/ { for (i = 2; i <= NF; i++) if ($i ~ want) ok = 1 }
        { text = text $0 "\n" }
        /^Signed-By:.*keyring.*\.gpg/ && !/debian/ { ok = 0; text = "" }
        END { flush() }' >>"$1/debian.sources"
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        awk -v want="^$codename(-updates|-security|-backports)?(/updates)?$" '
        $1 == "deb" {
            line = $0; sub(/^deb[ \t]+/, "", line); sub(/^\[[^]]*\][ \t]*/, "", line)
            split(line, part, /[ \t]+/)
            if (part[2] ~ want) {
                opts = ""
                if (match($0, /signed-by=[^] \t]+/)) opts = "[" substr($0, RSTART, RLENGTH) "] "
                print "deb " opts line; print "deb-src " opts line
            }
        }' >>"$1/debian.list"
}

# apt_private ARGS: apt-get with the private configuration.
apt_private() {
    local dir=$DEPS/apt
    if [ ! -f "$dir/apt.conf" ]; then
        mkdir -p "$dir/sources.d" "$dir/state/lists/partial" "$dir/cache/archives/partial"
        : >"$dir/status"
        apt_sources_write "$dir/sources.d"
        cat >"$dir/apt.conf" <<CONF
Dir::State "$dir/state";
Dir::State::status "$dir/status";
Dir::Cache "$dir/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$dir/sources.d";
APT::Architecture "amd64";
#clear APT::Architectures;
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "";
#clear APT::Update::Post-Invoke-Success;
#clear APT::Update::Post-Invoke;
CONF
    fi
    APT_CONFIG=$dir/apt.conf apt-get -qq "$@"
}

# apt_refresh: fetches the package lists once a day.
apt_refresh() {
    command -v apt-get >/dev/null || die "apt-get is not here: unpack Debian's package $1 to build/deps/ARCH/NAME (its source: build/deps/NAME) and make a file .complete there"
    if [ -z "$(find "$DEPS/apt/refreshed" -mmin -1440 2>/dev/null)" ]; then
        say "fetching Debian's package lists (private copy)"
        apt_private update || apt_private update || die "cannot fetch the package lists"
        touch "$DEPS/apt/refreshed"
    fi
}

# cache_put FILE NAME: keeps a copy of a download; it does no harm when it cannot.
cache_put() {
    mkdir -p "$CACHE" 2>/dev/null && cp "$1" "$CACHE/$2.$$" 2>/dev/null && mv -f "$CACHE/$2.$$" "$CACHE/$2" || rm -f "$CACHE/$2.$$"
}

# deb_fetch ARCH PACKAGE...: downloads packages (Debian's names) and unpacks each to
# build/deps/ARCH/PACKAGE. Does nothing for those that are there.
deb_fetch() {
    local arch=$1 pkg tmp deb kept
    shift
    for pkg in "$@"; do
        [ -e "$DEPS/$arch/$pkg/.complete" ] && continue
        tmp=$DEPS/tmp.$$
        kept=${pkg}_$arch.deb
        rm -rf "$tmp" "$DEPS/$arch/$pkg"
        mkdir -p "$tmp" "$DEPS/$arch/$pkg"
        deb=$CACHE/$kept
        if [ ! -f "$deb" ] || ! dpkg-deb -x "$deb" "$DEPS/$arch/$pkg" 2>/dev/null; then
            apt_refresh "$pkg:$arch"
            say "downloading $pkg:$arch"
            (cd "$tmp" && apt_private download "$pkg:$arch") || die "cannot download $pkg:$arch"
            deb=$(echo "$tmp"/*.deb)
            dpkg-deb -x "$deb" "$DEPS/$arch/$pkg"
            cache_put "$deb" "$kept"
        fi
        dpkg-deb -W --showformat='${Package}_${Version}_${Architecture}\n' "$deb" >"$DEPS/$arch/$pkg/.complete"
        rm -rf "$tmp"
    done
}

# debian_tree ARCH OUT FOLDERS PACKAGE...: makes OUT anew out of those folders (relative, separated by blanks) of the
# packages, fetched where need be; without what the C library loads for other locales, encodings and audits.
debian_tree() {
    local arch=$1 out=$2 folders=$3 package folder
    shift 3
    deb_fetch "$arch" "$@"
    rm -rf "$out"
    for package in "$@"; do
        for folder in $folders; do
            [ -d "$DEPS/$arch/$package/$folder" ] || continue
            mkdir -p "$out/$folder"
            cp -a "$DEPS/$arch/$package/$folder/." "$out/$folder/"
        done
    done
    rm -rf "$out"/lib/*/{gconv,audit} "$out"/usr/lib/*/{gconv,audit} "$out"/usr/lib/locale "$out"/{,usr/}lib/systemd
}
