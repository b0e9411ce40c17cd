# The shell: what steps use of it.
FROM base
WORKDIR /s
ENV APP=demo VER=1.2.3
RUN set -eux; mkdir x; cd x; touch y
RUN set -e; false; touch never
RUN set -e; if false; then :; else touch else; fi; false || touch or; touch end
RUN false; touch after
RUN false && touch no; true
RUN exit 3
RUN sh -c 'exit 4'; echo $?
RUN A=1; B=$((A + 2)); echo "$B" > b; echo $((B * 7 % 5)) >> b; cat b
RUN echo "${APP}-${VER%.*} ${VER##*.} ${VER#1.} ${NOPE:-default} ${NOPE-} ${APP:+set} ${#APP}"
RUN echo "${NOPE:?is not set}"
RUN for i in 1 2 3; do echo "line $i"; done > lines; cat lines
RUN for f in *; do [ -d "$f" ] && echo "dir $f" || echo "file $f"; done
RUN i=0; while [ $i -lt 3 ]; do i=$((i+1)); [ $i = 2 ] && continue; echo $i; done
RUN until [ -f stop ]; do touch stop; done; ls stop
RUN case "$APP" in d*) echo starts;; *) echo other;; esac; case $VER in 1.*|2.*) echo major;; esac
RUN f() { local a="$1"; echo "f $a $#"; return 2; }; f one two || echo "ret $?"
RUN (cd / && touch /s/sub); pwd; { touch brace; }
RUN x=$(ls | wc -l); y=`echo back`; echo "$y"; test "$x" -gt 0
RUN echo a | (read v; echo "got $v") ; echo "b c" | { read p q; echo "$q $p"; }
RUN IFS=:; set -- $PATH; echo $#; unset IFS; set -- a "b c"; for x in "$@"; do echo "<$x>"; done; shift; echo $1
RUN echo err >&2; echo out; echo both > both 2>&1; ls nope 2> errs; wc -l < errs
RUN exec 3> three; echo to3 >&3; exec 3>&-; cat three
RUN trap 'echo bye > trapped' EXIT; echo working
RUN trap 'rm -f tmpfile; touch cleaned' EXIT; touch tmpfile; exit 5
RUN eval "echo evaluated > ev"; cat ev; v=name; eval "$v=5"; echo $name
RUN echo 'sourced=yes' > lib.sh; . ./lib.sh; echo $sourced
RUN printf '#!/bin/sh\necho script "$@"\n' > run.sh && chmod +x run.sh && ./run.sh a b
RUN sh run.sh c && sh -e -c 'echo "$0 $1"' zero one
RUN echo one; echo two & wait; echo three
RUN export X=5; sh -c 'echo $X'; X=6 sh -c 'echo $X'; echo $X
RUN [ "a" = "a" ] && [ 1 -eq 1 -a 2 -gt 1 ] && [ -n "x" ] && [ -z "" ] && test ! -e nope && echo tests
RUN [ "$APP" = other ] || { echo "not other"; exit 0; }; touch never2
RUN cmd=mkdir; $cmd dynamic && ls -d dynamic
RUN set -- ls -d dynamic; "$@"
RUN command mkdir byname && command -v mkdir > /dev/null && command -v nonesuch || echo none
RUN nonesuch-command; echo $?
RUN if command -v nonesuch >/dev/null 2>&1; then echo yes; else echo no; fi > answer; cat answer
RUN find . -name 'lines' -exec sh -c 'echo found "$1"' _ {} \;
RUN ls | xargs -n1 echo item | head -3
RUN ls -1 | grep -v '^x' | sort | tr '\n' ' '
RUN echo 'a"b' "c'd" e\ f $'x' "\$HOME" '$HOME'
RUN echo "multi\
line" > ml; cat ml
RUN echo {a,b} ~ *.none "*"
RUN cat <<A <<B
first
A
second
B
RUN read -r line < lines; echo "$line"; while IFS= read -r l; do echo "[$l]"; done < lines
RUN test -z "$(ls -A /s/dynamic)" && echo empty
RUN ulimit -n > /dev/null; umask 022; times > /dev/null; hash; true
RUN getopts ab: o -a -b x; echo $o; OPTIND=1; while getopts ab: o -a -b val; do echo "$o=$OPTARG"; done
RUN kill -0 $$ && echo alive; sleep 60 & kill $!; wait $! || echo killed
RUN yes 2>/dev/null | head -1; (exit 7) | true; echo $?
RUN ["/bin/sh", "-c", "echo exec form > ef; cat ef"]
RUN ["mkdir", "-p", "/s/exec/form"]
RUN ["touch", "/s/exec/$HOME"]
SHELL ["/bin/sh", "-ec"]
RUN false; touch never3
RUN echo from -ec > ec
SHELL ["/bin/sh", "-o", "errexit", "-c"]
RUN touch oe; false; touch never4
RUN . /etc; echo $?; mkdir -p dot; sh ./dot; echo $?; PATH=/usr/bin:/bin; . /etc/; echo $?
RUN type nonesuch; echo $?; command -V nonesuch; echo $?; command -v nonesuch; echo $?
RUN export ZED=1 ALPHA=2; MID=3 env | grep -v -e PWD -e SHLVL; unset ALPHA; export ALPHA=4; export -p | grep -c ALPHA
RUN touch /bin/plain-file; mkdir /bin/plain-dir; plain-file; echo $?; plain-dir; echo $?; /bin/plain-file; echo $?; (exec plain-file); echo $?; env plain-file; echo $?; command -v plain-file; rm /bin/plain-file; rmdir /bin/plain-dir
RUN printf '#!/bin/sh\r\necho hi\n' > s; chmod 755 s; ./s; echo $?; printf '#!/bin/sh -e\r\necho hi\n' > s; ./s; echo $?; printf '#!/bin/sh \t-e\t \necho hi; false; echo no' > s; ./s; echo $?; printf '#!/bin/sh' > s; ./s; echo $?
RUN touch hl; ln hl none/; echo $?; ln -s hl none/; echo $?; mkfifo none/ 2>/dev/null; echo $?; mkdir none/; ln hl none/; ls none
