FROM busybox
RUN echo "app:x:1000:1000::/tmp:/bin/sh" >> /etc/passwd && echo "crew:x:2000:app" >> /etc/group && mkdir -m 1770 /tmp/d && chown app:crew /tmp/d && touch /tmp/f && chgrp 2000 /tmp/f && chmod 664 /tmp/f
RUN mkdir -p /a/b && echo x > /a/b/c && chown -R 5:6 /a && chmod 4711 /a/b/c && mknod /a/n c 1 3 && mkfifo /a/p && \
    tar -cf /a.tar a && mkdir /u && tar -C /u -xf /a.tar && cp -a /u/a /v && ln -s /v/b/c /l && cat /l && rm /a.tar && \
    find /u -type f -exec sed -i s/x/y/ {} + && ls -lnR /u /v > /list.sizes && sort /list.sizes | wc -l > /lines
RUN readlink /proc/self/exe > /exe && (cd / && pwd) > /pwd && ls / > /names && cd /a && ls ../../../.. > /excess && \
    printf '#!/bin/sh -e\necho "$0 $*"\n' > /script && chmod +x /script && /script 1 2 > /out && \
    (sleep 500 &) ; gzip -c /list.sizes | gunzip | md5sum > /sum && rm /list.sizes /sum && xargs -n1 echo < /out | sed -n 2p > /two
USER app:crew
RUN ! touch /exe && ! chown app /exe && echo mine > /tmp/f && vi -h 2>/dev/null; dd if=/dev/zero of=/tmp/z bs=1k count=3 2>/dev/null
