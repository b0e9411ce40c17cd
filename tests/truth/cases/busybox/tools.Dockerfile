# What BusyBox's tools do in their own way.
FROM base
WORKDIR /g
RUN echo -e 'a\tb\nc' > e && cat e; echo -n x; echo
RUN busybox mkdir -p bb/x && busybox touch bb/y && /bin/busybox ls bb
RUN busybox sh -c 'echo sub'; busybox sed -i s/a/A/ e; busybox --list > /dev/null; busybox nonesuch; echo $?
RUN ls -la bb | wc -l; ls -1 bb; ls -ld bb | cut -c1-10; ls -l e | tr -s ' ' | cut -d' ' -f5
RUN touch -d '2020-01-02 03:04:05' t && date -u -r t '+%F %T'; date -u -d @0 +%s; date -u -D %s -d 86400 +%F
RUN sed -i -e 's/b/B/' e; sed -n '1p;$=' e; sed -E 's/(A)/<\1>/' e; sed 's/c/\n/' e; sed '/c/a added' e; sed '/A/i ins' e; sed 'c\
x' e
RUN grep -c . e; grep -rn B .; grep -E 'A|c' e; grep -o '[AB]' e; grep -q zz e || echo no; grep -A1 A e; grep -w c e; grep -Fx c e
RUN find . -name e -exec echo {} \; ; find . -type d | sort; find . -name 'y' -delete; find . -maxdepth 1 | sort; find . -type f -print0 | xargs -0 ls
RUN printf '1\n10\n2\n' | sort -n; printf 'b 1\na 2\n' | sort -k2 -r; printf 'a\na\nb\n' | uniq -c; printf 'x:y\n' | cut -d: -f2
RUN head -n1 e; tail -n1 e; head -c2 e; wc e; wc -l < e; tr a-z A-Z < e; nl e; tac e; rev e; seq 3; seq 2 2 6; seq -w 9 10
RUN cp -r bb cc && cp -a bb dd && mv cc ee && rm -r dd && ls; cp -f e f && ln f g && ln -sf f h && readlink -f h
RUN tar -czf x.tgz bb && tar -tzf x.tgz && mkdir o && tar -xzf x.tgz -C o && ls o; tar -cf - bb | tar -xf - -C o; gzip f && zcat f.gz && gunzip f.gz
RUN sha256sum e > s && sha256sum -c s; md5sum e; sha1sum e; base64 e; cksum e; echo x | md5sum -c 2>/dev/null; echo $?
RUN stat -c '%a %n' e; stat -c %s e; id; whoami; hostname; uname -m; env | grep -c PATH; basename /a/b.c .c; dirname /a/b; expr 1 + 1; test 1 -lt 2 && echo lt
RUN install -d i/j && install -m 600 e i/e && install -D e i/k/l 2>/dev/null; ls i; f=$(mktemp /tmp/mm.XXXXXX); rm $f; realpath ./e; which ls; printenv HOME
RUN [ -x /bin/ls ] && echo x; [[ -f e ]] && echo dbl; x=abc; echo ${x:1:1} ${x/b/-}; local_test() { local y=1; echo $y; }; local_test
RUN set -o pipefail; false | true; echo $?
RUN for i in $(seq 1 3); do echo $i; done; i=0; while true; do i=$((i+1)); [ $i -ge 3 ] && break; done; echo $i; echo $((0x10)) $((1<<4))
RUN chmod 4755 e; chmod u=rwx,g=rx,o= e; chown 1:2 e; chgrp 3 e; ls -ln e | tr -s ' ' | cut -d' ' -f1,3,4; chmod -R a+rX i; chown -R daemon:daemon i; chmod +x nofile; echo $?
RUN ls nofile; echo $?; cat nofile; rm nofile; echo $?; mkdir i; echo $?; cp nofile x; mv nofile x; rmdir i; echo $?
RUN awk '{print $1}' e 2>/dev/null; awk -F: '{print $1}' /etc/passwd; echo a b | awk '{print $2}'
RUN cat e | tee t1 t2 > /dev/null; cmp t1 t2 && echo same; diff t1 t2 && echo same2; od -c t1 | head -1; hexdump -C t1 | head -1; xxd t1 | head -1
RUN sh -c 'echo $0 $1' a b; ash -c 'echo ash'; echo 'echo script' > sc; sh sc; chmod +x sc; ./sc
RUN yes | head -2; true; false || echo f; sleep 0; usleep 1; dd if=e of=ddout bs=1 count=2 2>/dev/null; cat ddout; truncate -s 3 ddout; wc -c ddout
RUN ln -s /bin/busybox tool && ./tool echo x; ln -s /bin/busybox echo2; cp /bin/busybox bbcopy && ./bbcopy echo copied
RUN printf 'a b\n' | xargs -n1 echo; echo x | xargs -I{} echo {}{}; : | xargs echo e; : | xargs -r echo r
RUN unzip -v >/dev/null 2>&1; echo; clear >/dev/null 2>&1; tty; sync; nproc >/dev/null; df >/dev/null 2>&1; ps >/dev/null 2>&1; true
SHELL ["/bin/ash", "-eo", "pipefail", "-c"]
RUN false | true; touch /never
RUN echo ash > ash
RUN mkdir -p own; chown : own; echo $?; chown '' own; echo $?; chgrp '' own; echo $?; chown root: own; echo $?; chown :daemon own; echo $?; ls -ld own | cut -c1-30
RUN echo 'a b' > se; sed -ir 's/a/b/' se; cat se; ls se*; sed -i.bak 's/b/c/' se; ls se*; sed -Ei 's/(b)/[\1]/' se; cat se; sed -ie 's/c/d/' se; ls se*
