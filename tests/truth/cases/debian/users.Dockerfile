# Users and groups as Debian's tools make them.
FROM base
RUN groupadd -r app && useradd -r -g app app
RUN useradd -m -s /bin/bash dev && ls -A /home/dev
RUN useradd --create-home --home-dir /opt/home2 --shell /bin/sh user2
RUN groupadd --gid 1500 g1500 && useradd --uid 1500 --gid 1500 --no-create-home u1500
RUN groupadd -g 2000 -o dup && useradd -u 2000 -g dup -d /nonexistent -s /usr/sbin/nologin -c "A, B" svc
RUN useradd -rm -d /home/rm -s /bin/bash -g root -G sudo -u 1001 rm
RUN useradd -l -M -N -u 3000 lonely
RUN useradd app
RUN groupadd app
RUN groupadd -f app && groupadd -rf newsys
RUN usermod -aG audio,video dev && id dev
RUN usermod -a -G app dev && usermod -s /bin/sh dev && usermod -d /home/dev2 -m dev
RUN usermod -u 1100 user2 && groupmod -g 1100 user2
RUN usermod -L dev; usermod -U dev; usermod -l dev3 dev
RUN usermod -aG nosuch dev3
RUN gpasswd -a svc app && gpasswd -d svc app
RUN userdel lonely && userdel -r rm
RUN groupdel dup
RUN groupdel newsys
RUN adduser --disabled-password --gecos "" worker
RUN adduser --system --group --no-create-home sysd
RUN adduser --system --home /var/lib/sy --shell /bin/sh --uid 105 sy
RUN addgroup --system sgrp && adduser --system --ingroup sgrp --disabled-login --no-create-home --gecos "" sq
RUN addgroup --gid 1700 team && adduser --uid 1700 --gid 1700 --disabled-password --gecos 'T' team
RUN addgroup --quiet other && adduser --quiet worker other && adduser worker audio
RUN adduser --quiet --system worker
RUN deluser worker other
RUN deluser --remove-home worker
RUN delgroup other
RUN id app; id -u svc; id -gn svc; groups dev3; id nobody-such
RUN passwd -l svc && passwd -d dev3
RUN passwd -S root | cut -d' ' -f1,2
RUN getent passwd app >/dev/null 2>&1; echo $?
RUN cut -d: -f1 /etc/passwd | tail -3; cut -d: -f1 /etc/shadow | tail -3; stat -c '%a %U %G' /etc/passwd /etc/shadow /etc/group
RUN groupadd docker && useradd -G docker,audio -ms /bin/bash runner && mkdir -p /home/runner/.cache && chown -R runner:runner /home/runner
RUN chown runner:docker /srv && chown -R runner: /home/runner && install -o runner -g docker -m 750 -d /srv/r
USER runner
RUN whoami && id -Gn && echo hi > ~/note && mkdir -p ~/a/b && touch ~/a/b/c
RUN cp -r /etc/skel ~/skel && ls -A ~/skel && rm -rf ~/a
RUN touch /etc/denied
RUN chmod 700 ~ && chown runner:docker ~/note && chown root ~/note
