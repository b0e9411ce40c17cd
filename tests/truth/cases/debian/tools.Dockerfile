# What only GNU's and Debian's tools know.
FROM base
WORKDIR /g
RUN mkdir -vp p/q; chmod -v 700 p; chown -v 1:1 p; ln -sv p l; rm -rv p; touch a b; mv -v a c; cp -v b d
RUN install -vD -m 0644 b x/y/z && install -t x -m 755 b c && install -o daemon -g 0 b x/owned && install -s b x/s; ls x
RUN cp -t x b d && cp --parents x/y/z . ; mkdir -p par && cp --parents x/y/z par && find par | sort
RUN cp -u b x/b; cp -T b x/tt && cp -d x/tt x/uu; cp --preserve=mode,timestamps b x/pm; cp -s /g/b x/sym; cp -l b x/hl; stat -c %h b
RUN mv -t x c d && mv -n b x/tt; mv -T x y && ls y
RUN ln -srf y/tt rel && readlink rel; ln -t y -s /etc/passwd; ls -l y/passwd | cut -c1; ln -sfnT y/tt rel && readlink rel
RUN rm -rfv y/par; rm -d nothing; rm --one-file-system -rf par; rm -I b 2>/dev/null; true
RUN touch --date='2020-05-06 07:08:09 UTC' t && date -u -r t +%FT%TZ; touch -d @86400 t2 && stat -c %Y t2
RUN date -u -d '2020-02-03 +1 day' +%F; date -u -d 'Thu, 01 Jan 1970 00:01:00 GMT' +%s; date -u --date=@1000000000 -Iseconds
RUN seq -w 8 11; seq -s, 1 2 9; printf '%q\n' 'a b' 2>/dev/null; printf '%b' 'a\tb\n'; printf '%x %o %e\n' 255 8 1.5
RUN sort -V <<E
v1.10
v1.9
E
RUN printf '3 c\n1 a\n2 b\n' | sort -k2 -r; printf 'a,2\nb,1\n' | sort -t, -k2n; printf 'b\na\n' | sort -o sorted && cat sorted
RUN head -c 3 /etc/hostname >/dev/null 2>&1; head --lines=1 sorted; tail --bytes=2 sorted; cat -A sorted; cat -n sorted
RUN ls -1 --color=never; ls -d */; ls -l t | tr -s ' ' | cut -d' ' -f1-5; ls -lan --time-style=+%Y t | cut -d' ' -f1-4
RUN stat --format='%n %a %U:%G %s %h %F' t rel; stat -L -c %F rel; stat -c '%A %N' rel
RUN wc sorted; wc -L sorted; cut --complement -c1 sorted; cut -d: -f1,3-4 --output-delimiter=- /etc/passwd | head -2
RUN tr '[:space:]' x < sorted; echo; tr -t abc xy < sorted; uniq -c -i sorted; comm sorted sorted; join sorted sorted 2>/dev/null; true
RUN readlink -m /a/../b/c; realpath --relative-to=/g/x /etc; realpath -s rel; basename -a /a/b /c/d; basename -s .x a.x; dirname a/b /c
RUN md5sum t > M && md5sum --quiet -c M && sha512sum t | cut -c1-20; sha224sum t | cut -c1-8; sha384sum t | cut -c1-8; b2sum t 2>/dev/null | cut -c1-8; cksum t
RUN sha256sum t nothing > S; echo $?; sha256sum --status -c S; echo $?; echo junk > J; sha256sum -c J; echo $?
RUN grep -P 'a\d' sorted 2>/dev/null; grep --include='*.x' -r y .; grep -c a sorted; grep -H a sorted; grep -Eo '[a-z]+' sorted; grep -zq a sorted; echo $?
RUN egrep 'a|b' sorted 2>/dev/null; fgrep a sorted 2>/dev/null; grep -s x nofile; echo $?
RUN find . -printf '%p %m %y\n' 2>/dev/null | sort | head -3; find . -regex '.*/s.*' | sort; find . -newermt 2030-01-01; find . -type f -size -1k | sort | head -2
RUN find . -name '*.none' -quit; find . -type f -exec sh -c 'for f; do echo "$f"; done' _ {} + | sort | head -2; find . -execdir echo {} \; | sort | head -2
RUN find / -xdev -type f -perm /6000 2>/dev/null | sort | head -5; find / -xdev -perm -4000 -exec chmod a-s {} + ; true
RUN find /usr/share -name '*.gz' -prune -o -type d -name doc -print | head -2; find /var/log -type f -exec truncate -s 0 {} \; ; find /var/log -type f -size +0
RUN find /usr/local -depth \( \( -type d -a \( -name test -o -name tests \) \) -o \( -type f -a -name '*.pyc' \) \) -exec rm -rf '{}' +
RUN tar --create --gzip --file=/g/z.tgz --owner=0 --group=0 -C /etc skel default && tar --list --file=z.tgz | sort | head -3
RUN mkdir u && tar --extract --file z.tgz --directory u --strip-components 1 --no-same-owner && ls -A u | head -3; tar -tzvf z.tgz | head -1 | cut -c1-20
RUN tar -cJf z.txz u 2>/dev/null && tar -xJf z.txz -C /tmp && ls -A /tmp/u | head -1; tar -xf z.tgz --exclude='skel' -C /tmp; tar -czf - u | tar -xzf - -O 2>/dev/null | head -c 0
RUN xz -k t && unxz -c t.xz; xz -d t.xz; bzip2 -k t 2>/dev/null && bunzip2 -c t.bz2; rm -f t.bz2; gzip -9 < t | gzip -dc; gzip -l t 2>/dev/null; zcat nofile; echo $?
RUN echo 'a b c' | awk '{print $1, NF}'; awk -F: '$3==0{print $1}' /etc/passwd; awk 'BEGIN{printf "%d\n", 3*4}'; awk '/root/{n++} END{print n}' /etc/group
RUN diff /etc/passwd /etc/passwd && echo same; cmp -s /etc/passwd /etc/group || echo differ; diff -q /etc/passwd /etc/group
RUN env -u HOME sh -c 'echo ${HOME-unset}'; env FOO=bar sh -c 'echo $FOO'; env -i PATH=$PATH sh -c 'env | sort | head -2'
RUN nice -n 5 true; nohup true 2>/dev/null; timeout 5 true; echo $?; tty; logname 2>/dev/null; uname -srm | cut -d' ' -f1,3; hostname; whoami; arch
RUN shuf -i 1-1; factor 12; numfmt --to=iec 1024; fold -w 3 <<E
abcdef
E
RUN expand -t4 <<E
	x
E
RUN mktemp -u xx.XXXX | wc -c; d=$(mktemp -d -p /tmp -t foo.XXXXXX); rmdir $d; tee -a teed <<E
t
E
RUN od -c t2 | head -1; od -An -tx1 sorted; hexdump -C sorted 2>/dev/null | head -1; xxd sorted 2>/dev/null; dd if=/dev/zero bs=1 count=3 2>/dev/null | od -An -tx1
RUN ldconfig; ls -la /etc/ld.so.cache | cut -c1-10
RUN update-ca-certificates 2>/dev/null; echo $?
RUN which ls mkdir nonesuch; which -a sh; whereis ls >/dev/null 2>&1; type ls
RUN sync; true; sleep 0.01; id; groups; printenv HOME
RUN setcap cap_net_bind_service=+ep /usr/bin/sort 2>/dev/null; getcap /usr/bin/sort 2>/dev/null; echo done
RUN chmod u+s /usr/bin/sort && chown 0:0 /usr/bin/sort && ls -l /usr/bin/sort | cut -c1-10
SHELL ["/bin/bash", "-c"]
RUN mkdir -p bash/{a,b,c} && ls bash
RUN [[ -d bash/a ]] && echo yes; arr=(1 2 3); echo "${arr[1]} ${#arr[@]}"
RUN echo -e 'a\tb'; echo $'x\ny'; for ((i=0;i<2;i++)); do echo $i; done; x=abc; echo ${x^^} ${x/b/-} ${x:1}
RUN source /etc/profile; echo $BASH_VERSION | cut -c1; cat <<< word; diff <(echo a) <(echo a) && echo same
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN false | true; echo $?
RUN echo "deb x" | tee /etc/apt/sources.list.d/x.list > /dev/null && rm /etc/apt/sources.list.d/x.list
SHELL ["/bin/bash", "-eo", "pipefail", "-c"]
RUN false | true; touch /never
RUN mkdir -p aloud/sub; chown -Rc daemon aloud; chown -Rc daemon aloud; chgrp -Rv daemon aloud; chmod -Rc 700 aloud; cp -rv aloud quiet; rm -rv quiet
RUN mkdir -p many; touch many/a many/b many/c; chown -Rv daemon many; rm -rv many
