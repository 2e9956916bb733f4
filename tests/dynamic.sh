# SPDX-License-Identifier: CC0-1.0
#
# Purpose: a script for Debian's dynamically linked bash, dash and coreutils. Its output under Linux is
#   tests/dynamic.expected; it must be the same under Devine, on each architecture.

cd /tmp || exit 1
export LC_ALL=C TZ=UTC
say() { printf '== %s\n' "$*"; }

say shells
dash -c 'echo dash $((6 * 7)); trap "echo trapped" EXIT; exit 3'; echo $?
bash -c 'a=(one two three); declare -A m=([k]=v); echo ${a[1]} ${m[k]} ${#a[@]} ${a[@]:1}'
bash -c 'printf "%5.2f|%-6s|%06d|%x\n" 3.14159 left 42 255'
echo $((2 ** 40)) $((17 % 5)) $((-7 / 2))
for i in {1..5}; do echo -n "$i "; done; echo
x=abcdef; echo ${x:2:3} ${x/cd/--} ${x^^} ${#x}
[[ hello =~ ^h(.*)o$ ]] && echo "${BASH_REMATCH[1]}"
case $x in a*f) echo matched ;; esac
read -r first rest <<<"one two three"; echo "$first|$rest"
diff() { [ "$(cat "$1")" = "$(cat "$2")" ] && echo same || echo differ; }
diff <(echo a) <(echo a)
mapfile -t lines < <(seq 3); echo "${lines[*]}"

say pipes and jobs
seq 1 10000 | sort -R --random-source=/bin/bash | sort -n | sha256sum
seq 49990 50000 | factor | tail -n 3
(exit 7) & wait $!; echo "job $?"
{ sleep 0.1; echo late; } & echo early; wait
coproc cat; echo through >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"; echo "$line"; kill "$COPROC_PID"; wait 2>/dev/null
yes | head -n 100000 | wc -l
set -o pipefail; false | cat; echo "pipefail $?"; set +o pipefail
trap 'echo usr1' USR1; kill -USR1 $$; trap - USR1
timeout 0.2 sleep 5; echo "timeout $?"
mkfifo f; (echo fifo >f) & cat f; wait; rm f

say files
mkdir -p d/e; echo hello >d/a; ln d/a d/b; ln -s a d/l; stat -c '%n %s %h %F %a' d/a d/b d/l
ls -1 d; readlink d/l; realpath d/l
cp -a d c; ls -1R c; rm -r c
touch -d '2020-02-03 04:05:06' d/a; stat -c %y d/b; date -r d/a +%s
chmod 640 d/a; stat -c %A d/a; truncate -s 10000 d/a; wc -c d/a; du -b d/a
mv d/a d/moved; [ -e d/a ] || echo gone
dd if=/dev/zero bs=1000 count=3 2>/dev/null | od -An -tx1 | tail -n 1
split -l 100 -d <(seq 250) part.; wc -l part.* | tail -n 1; rm part.*
head -c 100000 /dev/zero | tee z1 >z2; [ "$(md5sum <z1)" = "$(md5sum <z2)" ] && echo equal
mktemp -d XXXXXX | wc -c; df . | wc -l
shred -n 1 -u z1; ls z1 2>&1; rm nothing 2>&1; mkdir d 2>&1; cat d 2>&1
install -D -m 700 z2 deep/down/z3; stat -c %a deep/down/z3

say text
printf 'b 2\na 1\nc 3\n' | sort -k2,2nr | tee t | paste -s -d,; join <(sort t) <(printf 'a x\nb y\n')
comm -12 <(seq 5) <(seq 3 8) | tr '\n' ' '; echo
echo 'one two' | fold -w 3; echo abc | rev 2>/dev/null || echo abc | tac; nl <<<x; expr 6 \* 7; fmt -w 10 <<<'aa bb cc dd ee'
printf 'x\ty\n' | expand -t 4 | cut -c5; uniq -c <<<$'a\na\nb'; seq -f %.2f 0 .25 1 | tr '\n' ' '; echo
base64 <<<Devine; base64 -d <<<RGV2aW5l; echo; md5sum </dev/null; sha512sum </dev/null | cut -c1-16; cksum <<<x; sum <<<x
numfmt --to=iec 1048576; date -u -d @1000000000 +%FT%T; basename /a/b.c .c; dirname /a/b.c; pathchk -p good; env -i A=1 env
tr -dc 0-7 </dev/urandom | head -c 5 | wc -c; shuf -i 1-5 -n 5 | sort | tr '\n' ' '; echo; tsort <<<'a b b c'; od -c <<<hi | head -n 1

say limits and errors
ulimit -n; (ulimit -n 10; ulimit -n); id -u; whoami 2>&1; nproc; uname -s; tty </dev/null; test -t 0; echo $?
/tmp/nonexistent 2>/dev/null; echo $?; /tmp 2>/dev/null; echo $?
printf '#!/bin/dash\necho "script $1"\n' >s; chmod +x s; ./s arg; printf '#!/no/such\n' >s; ./s 2>/dev/null; echo $?
printf '#!/usr/bin/env bash\necho $BASH_VERSION | cut -c1\n' >s; ./s
{ bash -c 'kill -SEGV $$'; } 2>/dev/null; echo $?
bash -c 'f() { [ $1 = 0 ] && echo deep || f $(($1 - 1)); }; f 500'
i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i + 1)); done; echo "forks $i"
say done
