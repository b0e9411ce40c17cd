# Accounts: what steps of public Dockerfiles and their edges do with shadow's and Debian's tools.
FROM base
RUN useradd -r -u 999 -g daemon -d /var/lib/x -s /usr/sbin/nologin -c 'The X' x1; tail -1 /etc/passwd; tail -1 /etc/shadow | cut -d: -f1,2,4-
RUN groupadd -r -g 998 g1 && useradd --system --uid 998 --gid g1 --home-dir /opt/g1 --shell /bin/bash --create-home --comment "a b" x2; stat -c '%a %U %G %n' /opt/g1 /opt/g1/.bashrc
RUN useradd -m -d /home/deep/er -k /etc/skel x3; ls -la /home/deep/er | awk '{print $1,$3,$4,$9}'
RUN mkdir -p /sk/sub && echo hi > /sk/sub/f && ln -s sub/f /sk/l && chmod 640 /sk/sub/f && useradd -m -k /sk x4; find /home/x4 -printf '%m %u %g %y %l %p\n' | sort
RUN useradd -M -N x5; id x5; useradd -U -G daemon,sys,adm x6; id x6; grep x6 /etc/group /etc/gshadow
RUN useradd -e 2030-01-02 -f 10 -p '$6$abc$def' x7; grep x7 /etc/shadow | cut -d: -f1,2,4-; useradd -o -u 0 x8; id x8
RUN useradd -u 999 x9; echo $?; useradd x1; echo $?; useradd -g nosuch x9; echo $?; useradd -G nosuch x9; echo $?; useradd 'bad name'; echo $?; useradd -u -5 x9; echo $?
RUN useradd -g 998 -K UID_MIN=5000 -K UID_MAX=5010 x10; id x10; useradd -m -K UMASK=077 x11; stat -c %a /home/x11; useradd -b /srv -m x12; stat -c '%n %a' /srv/x12
RUN useradd --no-log-init -r -s /bin/false y1 && useradd -l -u 70000 y2 && ls -l /var/log/lastlog /var/log/faillog | awk '{print $5}'
RUN useradd -D; useradd -D -s /bin/zsh; grep SHELL /etc/default/useradd; useradd y3; tail -1 /etc/passwd
RUN groupadd -f g1; echo $?; groupadd g1; echo $?; groupadd -g 998 g9; echo $?; groupadd -o -g 998 g9; echo $?; groupadd -f -g 998 g10; echo $?; tail -2 /etc/group; groupadd -r sysg; tail -1 /etc/group; groupadd -K GID_MIN=3000 -K GID_MAX=3010 kg; tail -1 /etc/group
RUN groupmod -g 4000 g1; groupmod -n g1new g1; grep g1new /etc/group /etc/gshadow; groupmod -g 0 g1new; echo $?; groupmod -o -g 0 g1new; echo $?; groupmod nosuch; echo $?
RUN usermod -aG sys,g1new x1; id x1; usermod -G daemon x1; id x1; usermod -g g1new x1; usermod -s /bin/dash -c new -d /nowhere x1; grep ^x1: /etc/passwd; usermod -u 1234 x1; grep ^x1: /etc/passwd
RUN usermod -m -d /home/moved x4; ls -A /home/moved; usermod -l x4b x4; grep x4b /etc/passwd /etc/shadow | cut -d: -f1,2; usermod -L x4b; grep x4b /etc/shadow | cut -d: -f2; usermod -p secret x4b; usermod -U x4b; grep x4b /etc/shadow | cut -d: -f2; usermod -e 1 x4b; usermod -f 3 x4b; grep x4b /etc/shadow | cut -d: -f1,2,7-
RUN chown -R x3:x3 /srv; usermod -u 7777 x12; stat -c %u /srv/x12; mkdir -p /home/x13; useradd -m x13; echo $?; ls -A /home/x13; useradd -m -s x14 x14; echo $?
RUN userdel x13; echo $?; ls -d /home/x13; userdel -r x11; echo $?; ls -d /home/x11; userdel -f nosuch; echo $?; userdel -rf x3; ls -d /home/deep/er; grep x3 /etc/group
RUN groupdel sysg; echo $?; groupdel nosuch; echo $?; groupdel daemon; echo $?
RUN passwd -l x12; grep x12 /etc/shadow | cut -d: -f2; passwd -u x12; passwd -d x12; grep x12 /etc/shadow | cut -d: -f2; passwd -u x12; passwd -l x12; passwd -l nosuch; echo $?; passwd -e x12; passwd -n 1 -x 2 -w 3 -i 4 x12; grep x12 /etc/shadow | cut -d: -f2-
RUN gpasswd -a x12 sys; gpasswd -d x12 sys; gpasswd -a x12 nosuch; echo $?; gpasswd -M x1,x12 adm; grep adm /etc/group /etc/gshadow; gpasswd -A x12 adm; grep adm /etc/gshadow; gpasswd -r adm; gpasswd -R adm; grep adm /etc/gshadow
RUN addgroup ag1; addgroup --gid 5555 ag2; addgroup --system ag3; addgroup --system --gid 222 ag4; addgroup ag1; echo $?; addgroup --gid 5555 ag5; echo $?; addgroup --quiet ag6; tail -6 /etc/group
RUN adduser --disabled-password --gecos '' au1; echo $?; ls -la /home/au1 | awk '{print $1,$3,$4,$9}'; tail -1 /etc/passwd
RUN adduser --disabled-password --gecos 'Full Name,1,2,3' --home /opt/au2 --shell /bin/sh --uid 6001 --ingroup ag2 au2; echo $?; tail -1 /etc/passwd
RUN adduser --system au3; adduser --system --group au4; adduser --system --no-create-home --ingroup ag3 --uid 333 --home /var/run/au5 --shell /bin/bash au5; adduser --quiet --system --group --disabled-login --gecos 'Z' --home /srv/au6 au6; tail -4 /etc/passwd; tail -4 /etc/shadow | cut -d: -f1,2,4-; ls -ld /srv/au6 /home/au3 | awk '{print $1,$3,$4,$9}'
RUN adduser --disabled-login --gecos x --no-create-home au7; adduser --disabled-password --gecos '' --force-badname Au_8; adduser au1 sys; adduser au1 sys; echo $?; adduser nosuch sys; echo $?; adduser au1 nosuch; echo $?; adduser --disabled-password --gecos '' au1; echo $?; adduser --system au1; echo $?; id au1
RUN adduser --disabled-password --gecos '' --uid 6001 au9; echo $?; adduser --disabled-password --gecos '' --gid 5555 au10; echo $?; adduser --disabled-password --gecos '' Bad; echo $?; adduser --disabled-password --gecos '' --firstuid 8000 --lastuid 8010 au11; id au11; tail -1 /etc/group
RUN deluser au1 sys; id au1; deluser au1 sys; echo $?; deluser au7; echo $?; deluser nosuch; echo $?; deluser --system au3; echo $?; deluser --quiet au4; delgroup ag6; echo $?; delgroup ag2; echo $?; delgroup --system ag1; echo $?; delgroup --only-if-empty ag2; echo $?
RUN chsh -s /bin/dash au1; grep au1 /etc/passwd; chfn -f 'Name' au1; grep au1 /etc/passwd; chage -l au1 >/dev/null; chage -M 99 au1; getent passwd au1; getent group sys daemon; echo $?; getent passwd 0; getent passwd nosuch; echo $?; getent group 3; getent shadow au1 | cut -d: -f1
RUN echo 'au1:$6$aa$bb' | chpasswd -e; grep au1 /etc/shadow | cut -d: -f1,2; echo 'root:x' | chpasswd -e; echo $?
USER au1
RUN id; whoami; echo $HOME; touch /root/x; echo $?; touch /etc/x; echo $?; mkdir ~/d && ls -la ~/d | wc -l; chown root ~/d; echo $?; chmod 755 /etc; echo $?; rm -rf /srv/x12; echo $?; cat /etc/shadow; echo $?; groups; umask
RUN ln -s /etc/passwd ~/p; cp /etc/passwd ~/q; stat -c '%U %G %a' ~/q; cp -a /etc/skel ~/sk; stat -c '%U %G %a' ~/sk; mv ~/q /tmp/q; ls -l /tmp/q | cut -c1-10; chgrp sys ~/p; echo $?; useradd z; echo $?; passwd -l au1; echo $?; find /root; echo $?
USER 4321:8765
RUN id; whoami; echo $?; echo $HOME; touch /tmp/num; stat -c '%u %g' /tmp/num; mkdir /nope; echo $?; cat /etc/passwd > /tmp/pw; echo $?; id -un; echo $?; id -g; groups
USER daemon:sys
RUN id; id -Gn; id -G; touch /tmp/ds; stat -c '%U %G' /tmp/ds; chgrp daemon /tmp/ds; echo $?; sh -c 'exit 3'; echo $?
USER root
RUN id; id -u root; id -un 0; id -gn daemon; id -Gn root; id -z 2>/dev/null; echo $?; id nosuch; echo $?; id 12345; echo $?; groups root daemon; logname; echo $?
