# Directories, modes and owners, as images prepare them for their services.
FROM base
WORKDIR /srv
RUN mkdir /srv/a
RUN mkdir -p /srv/b/c/d /srv/e
RUN mkdir -pv /srv/v/w
RUN mkdir -p -m 700 /srv/m/n && mkdir -m 1777 /srv/t
RUN mkdir /srv/a
RUN mkdir -p /var/lib/app /var/log/app /run/app && chown -R daemon:daemon /var/lib/app /var/log/app /run/app
RUN umask 077 && mkdir -p private/keys && echo k > private/keys/k
RUN umask 0002; mkdir shared; touch shared/f; umask
RUN mkdir -p d1/d2/d3 && chmod 750 d1 && chmod -R g+w d1 && chmod -R o-rwx d1/d2
RUN mkdir -p sgid && chmod 2775 sgid && chgrp 1 sgid && mkdir sgid/sub && touch sgid/f
RUN chmod g+s /srv/a && chmod u+s,o+t /srv/e
RUN chmod 0755 /srv/a && chmod 755 /srv/e
RUN chmod a+rX -R /srv && chmod -R u=rwX,go=rX /srv
RUN touch x y z && chmod +x x && chmod u-w,a-x y && chmod =r z
RUN chmod 4755 x && chown 1:1 x
RUN mkdir -p tree/{a,b} && ls tree
RUN mkdir -p /opt/app && chown 1000:1000 /opt/app && chmod g=u /opt/app && chgrp -R 0 /opt/app
RUN chgrp -R 0 /srv && chmod -R g=u /srv
RUN chown daemon /srv/a; chown :daemon /srv/b; chown 12:34 /srv/e; chown daemon: /srv/v
RUN chown nobody-such /srv/a
RUN chown -R 5 tree && chown -R 6:7 tree/a
RUN rmdir /srv/a && rmdir -p /srv/v/w
RUN rmdir /srv/b
RUN rm -rf /srv/b /srv/nothing && rm -f nothing
RUN rm nothing
RUN rm -r d1 && rm -rf d1/ tree/*
RUN rm -rf /tmp/* /var/tmp/* /var/cache/apt/* /root/.cache
RUN mkdir -p a/b && cd a && touch b/1 && cd b && touch 2 && cd .. && cd - && pwd
RUN mkdir -p one two && touch one/f && mv one two/ && mv two/one/f two/g
RUN for d in bin etc lib; do mkdir -p "/opt/tool/$d"; done; ls /opt/tool
RUN install -d -m 0770 -o daemon -g daemon /srv/inst /srv/inst/deep
RUN install -d /srv/i2 && touch f1 && install -m 600 f1 /srv/i2/f1 && install f1 /srv/i2/f2
RUN touch f1 && install -D -m 644 f1 /srv/i3/p/q/f1
RUN mkdir -p "/srv/with space/and 'quote'" && touch "/srv/with space/é"
RUN mkdir -p /data && mkdir -p /data/db && chown -R 999:999 /data && chmod -R 700 /data/db
RUN mkdir -p /app/logs /app/tmp && chmod -R 777 /app && ls -ld /app | cut -c1-10
RUN mkdir -p /var/run/thing && ls -d /var/run/thing
RUN touch -d "2001-02-03 04:05:06" old && touch -r old same && touch new
RUN touch -t 200102030405.06 old2; touch -c nothing; ls nothing old2
RUN mkdir -p q && chmod 000 q && chmod 700 q && : > q/f && chmod 400 q/f
RUN truncate -s 100 zeros && truncate -s 10 zeros && wc -c < zeros
RUN mkfifo pipe && chmod 600 pipe && ls -l pipe | cut -c1-10
RUN stat -c '%a %u %g %F %s' q q/f; stat -c %n:%A q/f
USER daemon
RUN mkdir /srv/not-mine
RUN touch /tmp/mine && chmod 600 /tmp/mine && ls -l /tmp/mine | cut -d' ' -f1
RUN id -u; id -g; echo $HOME; umask
RUN echo x > /etc/not-mine
RUN chown 5 /tmp/mine
RUN rm -rf /srv/shared; ls /srv/shared
USER 1234:4321
RUN id -u && id -g && touch /tmp/numbered && mkdir -p /tmp/nd/e
RUN whoami
