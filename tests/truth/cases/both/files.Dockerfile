# Files written, linked, copied and moved.
FROM base
WORKDIR /w
COPY <<CONF /w/app.conf
# main
listen = 127.0.0.1
port = 80
debug = false

[section]
key=value
CONF
COPY --chmod=755 <<'TOOL' /w/tool.sh
#!/bin/sh
echo "args: $*"
TOOL
RUN echo hello > greeting
RUN echo -n no newline > bare && printf '%s\n' a b c > lines
RUN printf 'key=%s\nnum=%05d\n' v 42 > p.conf && cat p.conf
RUN echo "a	b" > tab && echo 'single $HOME' > single && echo "double $HOME" > double
RUN echo one >> app.conf && echo two >> app.conf
RUN { echo '[a]'; echo 'x = 1'; echo; echo '[b]'; } > group.ini
RUN cat > doc.txt <<'E'
literal $HOME `date`
  indented
E
RUN cat <<E > doc2.txt
home is $HOME
$(echo substituted)
E
RUN cat <<-E | tee t1 t2 > /dev/null
	tabs go
	away
	E
RUN echo x | tee -a t1 && cat t1
RUN ln -s /w/app.conf link && ln -s tool.sh /w/rel && ln -sf /dev/stdout /var/log/access.log && ln -sf /dev/stderr /var/log/error.log
RUN ln -sfn /w dirlink && ln -sfn /opt dirlink && readlink dirlink
RUN ln app.conf hard && ln hard hard2 && stat -c %h hard
RUN ln -s nowhere broken && [ -L broken ] && [ ! -e broken ]
RUN ln -s /w/app.conf link
RUN cp app.conf copy.conf && cp -p app.conf kept.conf && cp -a app.conf archive.conf
RUN mkdir -p src/sub && cp app.conf src/ && cp tool.sh src/sub/ && ln -s sub src/l && ln src/app.conf src/hard
RUN cp -r src dst1 && cp -a src dst2 && cp -R src/. dst3
RUN mkdir -p dst4 && cp -r src/* dst4/ && cp -rp src dst4
RUN cp -rL src dst5 && ls dst5/l
RUN cp src missing/dir
RUN cp src/app.conf src/sub/tool.sh dst4 && ls dst4
RUN cp -f app.conf copy.conf && cp -n tool.sh copy.conf; head -1 copy.conf
RUN cp --version > /dev/null 2>&1; cp -a /etc/passwd /w/passwd.bak && cp /etc/group .
RUN mv copy.conf moved.conf && mv -f moved.conf dst1/ && mv dst1 renamed
RUN mv kept.conf archive.conf renamed/
RUN mv nothing somewhere
RUN mv renamed /opt/renamed && ls /opt/renamed
RUN rm -f link hard2 && unlink hard
RUN : > empty && > empty2 && cat empty empty2 nothing
RUN cat app.conf app.conf > twice && cat < twice | wc -l
RUN chmod 755 tool.sh && ls -l tool.sh | cut -c1-10
RUN touch a1 a2 b1 && rm a? && ls
RUN echo data > 'name with space' && mv 'name with space' name\ 2 && cp name* renamed.txt
RUN dirname /w/x/y; basename /w/x/y.conf .conf; readlink -f rel; realpath /w/../w/rel
RUN test -f app.conf && test -d src && [ ! -e nope ] && [ -s app.conf ] && [ -x tool.sh ] && echo ok
RUN [ app.conf -nt tool.sh ] || echo not newer; [ -h rel ] && echo link
RUN head -n 2 app.conf; tail -n 1 app.conf; tail -n +3 app.conf; head -c 5 app.conf
RUN wc -l app.conf && wc -c < app.conf && wc -w app.conf
RUN sort lines -r && sort -u lines lines && sort -n lines | uniq -c
RUN cut -d= -f1 app.conf && cut -c1-3 lines && tr a-z A-Z < lines && tr -d '\n' < lines
RUN echo "$(cat lines | tr '\n' ',' | sed 's/,$//')" > joined && cat joined
RUN seq 1 5 | xargs echo && seq 3 | while read n; do echo "n$n" >> nums; done; cat nums
RUN sha256sum app.conf > sums && sha256sum -c sums && md5sum tool.sh && sha1sum lines
RUN echo "0000000000000000000000000000000000000000000000000000000000000000  app.conf" | sha256sum -c -
RUN base64 lines > b64 && base64 -d b64 && echo aGk= | base64 -d
RUN echo a b c | awk '{print $2}' 2>/dev/null || true
RUN date -u -d @0 +%Y-%m-%d && date +%Y > /dev/null
RUN expr 2 + 3 \* 4 && expr abc : 'a\(.*\)' && expr length hello
RUN env -i A=1 sh -c 'echo $A' && env | grep -c PATH
RUN printenv HOME; printenv NOPE || echo unset
RUN sleep 0 && true && ! false
RUN yes | head -n 3
RUN cmp app.conf app.conf && cmp app.conf lines
RUN split -l 2 lines part. && ls part.*
RUN nl lines; tac lines; rev lines 2>/dev/null; paste -s lines
RUN d=$(mktemp -d /tmp/x.XXXXXX); [ -d "$d" ] && rm -rf "$d"
RUN which sh; command -v ls >/dev/null && echo found; type cd
RUN echo "$PWD" && cd /tmp && echo "$PWD $OLDPWD"
