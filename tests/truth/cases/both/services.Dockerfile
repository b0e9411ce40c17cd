# Whole steps as images of services have them.
FROM base
RUN mkdir -p /var/lib/pg /run/pg \
    && chown -R daemon:daemon /var/lib/pg /run/pg \
    && chmod 2777 /run/pg
RUN mkdir /docker-entrypoint.d && ln -s usr/local/bin/entry.sh /entry.sh
COPY --chmod=644 <<'S' /usr/local/bin/entry.sh
#!/bin/sh
set -e
if [ "${1#-}" != "$1" ]; then set -- app "$@"; fi
exec "$@"
S
RUN chmod +x /usr/local/bin/entry.sh && /usr/local/bin/entry.sh echo started
RUN set -eux; \
    { \
      echo 'opcache.memory=128'; \
      echo 'opcache.files=4000'; \
    } > /etc/opcache.ini; \
    # a comment inside
    grep -q files /etc/opcache.ini
RUN ln -sf /dev/stdout /var/log/app.log \
  && ln -sf /dev/stderr /var/log/app.err \
  && rm -rf /var/cache/x/* /tmp/x*
RUN touch /var/run/app.pid && chown -R daemon:daemon /var/run/app.pid
RUN echo "Etc/UTC" > /etc/timezone && ln -snf /usr/share/zoneinfo/Etc/UTC /etc/localtime
RUN [ ! -e /etc/nsswitch.conf ] && echo 'hosts: files dns' > /etc/nsswitch.conf || echo kept
RUN echo "daemon ALL=(ALL) NOPASSWD:ALL" >> /etc/sudoers && chmod 0440 /etc/sudoers
RUN mkdir -p ~/.ssh && chmod 700 ~/.ssh && echo "Host *" > ~/.ssh/config && chmod 600 ~/.ssh/config
RUN echo 'LANG=C.UTF-8' > /etc/locale.conf; printf 'APT::Install-Recommends "0";\n' > /etc/99apt
RUN mkdir -p /opt/jdk-17.0.1/bin && touch /opt/jdk-17.0.1/bin/java && ln -s /opt/jdk-17.0.1 /opt/jdk && ls /opt/jdk/bin
RUN mv /opt/jdk-17.0.1 /opt/java && rm /opt/jdk && ln -s /opt/java /opt/jdk && /bin/ls -l /opt | wc -l
RUN for i in 1 2 3 4 5 6 7 8; do mkdir -p /usr/share/man/man$i; done
RUN arch=amd64; case "$arch" in amd64) a=x86_64;; arm64) a=aarch64;; *) exit 1;; esac; echo "$a" > /arch
RUN echo "version: 1.0" > /version && VERSION=$(sed -n 's/version: //p' /version) && echo "$VERSION" | cut -d. -f1 > /major
RUN mkdir -p /licenses && cp /etc/passwd /licenses/ && chmod -R a-w /licenses && rm -rf /licenses
RUN test -d /nonexistent || mkdir /nonexistent; [ -d /nonexistent ] && rmdir /nonexistent
RUN rm -rf /usr/share/doc/* /usr/share/man/* /var/lib/apt/lists/*
RUN cd /opt && mkdir build && cd build && echo obj > a.o && cp a.o /usr/local/lib/ && cd .. && rm -rf build
RUN addr=0.0.0.0 && printf 'bind %s\nprotected-mode no\n' "$addr" > /etc/redis.conf && chown 1:1 /etc/redis.conf
RUN echo '{"a": 1, "b": [true, null]}' > /etc/x.json && wc -c /etc/x.json
RUN printf '%s' 'no newline at end' > /etc/y && echo >> /etc/y && cat /etc/y
RUN dd if=/dev/zero of=/swap bs=1024 count=4 2>/dev/null; ls -l /swap | tr -s ' ' | cut -d' ' -f5
RUN chmod 0666 /etc/y; chmod --reference=/etc/passwd /etc/y 2>/dev/null; ls -l /etc/y | cut -c1-10
RUN uname -s; uname -m; hostname; nproc > /dev/null; arch 2>/dev/null
RUN cat /etc/hostname
RUN cp -a /etc /etc2; ls -l /etc2/hosts | cut -c1-10; rm -rf /etc2
RUN cat /etc/hosts > /hosts.copy; wc -l /hosts.copy; rm /hosts.copy
RUN ls /etc | grep -c -E '^(hosts|hostname|resolv.conf)$'
RUN echo "10.0.0.1 db" >> /etc/hosts; tail -1 /etc/hosts
RUN rm -f /etc/hosts; echo $?
RUN find /etc -maxdepth 1 -name 'host*' | sort
RUN tar -cf /etc.tar /etc 2>/dev/null; tar -tf /etc.tar | grep -c hosts; rm -f /etc.tar
RUN chown -R daemon /etc; ls -ln /etc/hosts | tr -s ' ' | cut -d' ' -f3
RUN ls / | tr '\n' ' '
RUN find / -maxdepth 1 | sort | tr '\n' ' '
RUN ls /dev | sort | head -3; test -c /dev/null && echo null
RUN cat /proc/self/status | head -1 | cut -c1-5; [ -d /sys/class ] && echo sys
RUN echo x > /dev/null; cat /dev/null; cp /dev/null /emptied; ls -s /emptied; test -w /dev/stdout && echo w
RUN mv /etc /etc.moved && mv /etc.moved /etc; ls -d /etc
RUN stat -c '%a %F' /dev /proc /sys / /tmp
RUN grep -rl nothing-at-all /etc; echo $?
RUN du -sx / > /dev/null; echo $?
