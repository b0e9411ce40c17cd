FROM debian
ENV DEBIAN_FRONTEND=noninteractive
# Maintainer scripts that add users and groups, chown, chmod, set set-id bits.
RUN --mount=type=bind,from=apt,target=/repo rm -f /etc/apt/sources.list.d/* && \
    echo 'deb [trusted=yes] file:/repo ./' > /etc/apt/sources.list && apt-get update && \
    apt-get install -y --no-install-recommends openssh-client cron dbus man-db exim4-daemon-light sudo libcap2-bin && \
    test -z "$(dpkg --audit)"
RUN --mount=type=bind,from=apt,target=/repo dpkg -i /repo/gosu_*.deb /repo/tini_*.deb && dpkg -L tini > /list
RUN adduser --system --group --home /var/lib/svc svc && adduser --disabled-password --gecos '' joe && \
    useradd -r -m -u 777 -G joe,cron -s /bin/sh deploy 2>/dev/null || useradd -r -m -u 777 -G joe -s /bin/sh deploy; \
    groupadd -g 5000 crew && usermod -aG crew joe && passwd -l deploy && chage -d 19000 joe && \
    chage -d 19000 deploy && deluser svc && groupmod -n team crew
# A static Go program that drops to a user, and the other ways to do so.
RUN gosu joe sh -c 'id -u; id -G; touch /home/joe/gosu; umask 077; mkdir /home/joe/private' && \
    su joe -c 'id > /home/joe/su; ! touch /root/no; ! cat /etc/shadow' && \
    sudo -u deploy -g joe sh -c 'id > /tmp/sudo; ! rm /home/joe/gosu' && \
    setpriv --reuid joe --regid joe --init-groups sh -c 'id > /home/joe/setpriv' && \
    runuser -u joe -- sh -c 'ln -s su /home/joe/link; chgrp team /home/joe/gosu; chmod 2750 /home/joe/private' && \
    chmod 4755 /usr/bin/id && gosu joe id -u > /home/joe/setuid && tini -- gosu nobody id > /nobody
# An archive of foreign owners, with every type of file.
RUN mkdir -p /t/d/e && cd /t && echo 1 > d/f && ln d/f hard && ln -s d/f soft && mkfifo fifo && \
    mknod null c 1 3 && mknod disk b 7 9 && chown -R 1234:5678 d && chown -h 42:43 soft && chmod 6755 d/f && \
    chmod 1777 d/e && chown 3:4 fifo null && touch -d 2001-02-03 d/f && truncate -s 1M sparse && \
    tar -cf /a.tar . && mkdir /u /v && tar -C /u -xpf /a.tar && tar -C /v --no-same-owner --no-same-permissions -xf /a.tar && \
    (cd /u && find . | sort | cpio -o 2>/dev/null || true) > /dev/null && cp -a /u /w && rm -rf /u/d/e /a.tar
# What is left running ends with the step.
RUN mkdir -p /run/dbus && dbus-daemon --system --fork && cron && (setsid sleep 1000 > /dev/null 2>&1 &) && \
    ssh-agent -a /root/agent sh -c 'ssh-keygen -q -t ed25519 -N "" -f /root/key && ssh-add /root/key 2>/dev/null && ssh-add -l; kill $SSH_AGENT_PID; while [ -e /root/agent ]; do sleep 0.1; done' | \
    grep -c ED25519 > /identities && rm -f /root/key /root/key.pub && (nohup sh -c 'while :; do sleep 1; done' > /dev/null 2>&1 &)
RUN setcap cap_net_bind_service+ep /usr/bin/tini && getcap /usr/bin/tini > /caps && cp /usr/bin/tini /nocap && \
    cp --preserve=all /usr/bin/tini /withcap && mv /usr/bin/tini /usr/bin/moved && ln /usr/bin/moved /usr/bin/tini
USER joe
WORKDIR /home/joe
RUN ! touch /etc/passwd && ! mkdir /usr/x && ! rm /nobody && ! chown root su && ! kill -0 1 2>/dev/null; \
    echo x | tee own > /dev/stderr && mkdir -m 700 mine && chmod 4711 own && cp /etc/passwd mine && cat ~/setpriv
