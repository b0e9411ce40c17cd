# Users and groups as BusyBox makes them.
FROM base
RUN addgroup -S app && adduser -S -G app app
RUN adduser -D dev && ls -lan /home | wc -l
RUN adduser -D -u 1001 -h /opt/u1001 -s /bin/sh u1001
RUN addgroup -g 1002 g1002 && adduser -D -H -u 1002 -G g1002 -g "G E" u1002
RUN adduser -S -D -H -h /var/cache/x -s /sbin/nologin -G app -g app svc
RUN adduser -u 666 -SHG app six
RUN adduser -D app
RUN addgroup app
RUN addgroup -S -g 101 sys101 && addgroup dev app && adduser dev sys101
RUN addgroup nosuch app
RUN adduser -D -G nosuch x
RUN adduser -h /srv/h -D -k /nonexistent y
RUN delgroup dev app; delgroup sys101
RUN deluser svc && deluser --remove-home dev
RUN deluser nobody-such
RUN id app; id -u six; id -Gn app; cat /etc/passwd /etc/group; stat -c '%a %u %g' /home/* /opt/u1001
RUN mkdir -p /app && chown -R app:app /app && chown six /app; ls -ln /app | wc -l
RUN ls -la /etc | wc -l; [ -f /etc/shadow ] && cut -d: -f1,2 /etc/shadow
USER app
RUN id -un; echo $HOME; touch /tmp/a && ls -ln /tmp/a | tr -s ' ' | cut -d' ' -f3,4
RUN mkdir -p $HOME/x && ls -d $HOME/x
RUN touch /app/y || echo denied
