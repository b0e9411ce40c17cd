FROM debian
ENV DEBIAN_FRONTEND=noninteractive
SHELL ["/bin/bash", "-ec"]
RUN --mount=type=bind,from=apt,target=/repo rm -f /etc/apt/sources.list.d/* && \
    echo 'deb [trusted=yes] file:/repo ./' > /etc/apt/sources.list && apt-get update && \
    apt-get install -y --no-install-recommends openssh-client openssh-server dbus rsyslog nginx-light redis-server && \
    useradd -m joe && mkdir /out && rm /etc/ssh/ssh_host_*
# A daemon that is asked over loopback.
RUN sed -i 's/listen 80/listen 127.0.0.1:18080/; /listen \[/d' /etc/nginx/sites-available/default; nginx -t; nginx; \
    exec 3<>/dev/tcp/127.0.0.1/18080; printf 'GET / HTTP/1.0\r\n\r\n' >&3; grep '<title>' <&3 > /out/nginx; \
    nginx -s quit; while [ -e /run/nginx.pid ]; do sleep 0.1; done
RUN redis-server --daemonize yes --dir /out --port 0 --unixsocket /run/redis.sock --pidfile /run/redis.pid; \
    ask() { redis-cli -s /run/redis.sock "$@"; }; until ask ping > /out/redis 2>/dev/null; do sleep 0.1; done; \
    ask set key value; ask save; ask get key >> /out/redis; ask shutdown nosave; \
    stat -c '%a %U' /out/dump.rdb >> /out/redis; rm /out/dump.rdb
# Sessions by PAM, with a key, as root and as a user.
RUN ssh-keygen -qA; mkdir -p /run/sshd /root/.ssh /home/joe/.ssh; ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519; \
    cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys; cp /root/.ssh/id_ed25519.pub /home/joe/.ssh/authorized_keys; \
    chown -R joe: /home/joe/.ssh; usermod -p '*' joe; /usr/sbin/sshd -p 18022; cd /out; \
    until (exec 3<>/dev/tcp/127.0.0.1/18022) 2>/dev/null; do sleep 0.1; done; \
    options='-o StrictHostKeyChecking=no -o LogLevel=ERROR'; \
    for user in root joe; do ssh $options -p 18022 $user@127.0.0.1 'id; pwd; umask; touch file' > $user; done; \
    scp -q $options -P 18022 /etc/debian_version joe@127.0.0.1:copied; kill $(cat /run/sshd.pid); \
    while [ -e /run/sshd.pid ]; do sleep 0.1; done; \
    rm -rf /root/.ssh /home/joe/.ssh /etc/ssh/ssh_host_*
# The daemon asks the socket who is there.
RUN mkdir -p /run/dbus; dbus-daemon --system --fork; for user in root joe; do \
      runuser -u $user -- dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetId | \
      grep -c string >> /out/dbus; done; kill $(cat /run/dbus/pid)
RUN sed -i /imklog/d /etc/rsyslog.conf; rsyslogd; until [ -S /dev/log ]; do sleep 0.1; done; logger -t step -p mail.info hello; \
    until grep -q hello /var/log/mail.log; do sleep 0.1; done; sed 's/.*step/step/' /var/log/mail.log > /out/mail; \
    stat -c '%a %U:%G' /var/log/mail.log >> /out/mail; kill $(cat /run/rsyslogd.pid); \
    while [ -e /run/rsyslogd.pid ]; do sleep 0.1; done
