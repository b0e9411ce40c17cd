# Editing of configuration files: sed, grep, and friends.
FROM base
WORKDIR /e
COPY <<CONF /e/nginx.conf
user  nginx;
worker_processes  1;

error_log  /var/log/nginx/error.log warn;
pid        /var/run/nginx.pid;

events {
    worker_connections  1024;
}
#daemon off;
http {
    server {
        listen       80;
        server_name  localhost;
        root   /usr/share/nginx/html;
    }
}
CONF
COPY <<CONF /e/php.ini
memory_limit = 128M
;date.timezone =
upload_max_filesize=2M
display_errors = On
CONF
COPY <<CONF /e/sshd_config
#PermitRootLogin prohibit-password
PasswordAuthentication yes
#Port 22
UsePAM yes
CONF
COPY <<CONF /e/dos.txt
line one
line two
CONF
RUN sed -i 's/listen       80;/listen 8080;/' nginx.conf
RUN sed -i 's/^user.*$/user www-data;/; s/worker_processes .*/worker_processes auto;/' nginx.conf
RUN sed -i -e 's|/var/run/nginx.pid|/tmp/nginx.pid|g' -e '/^#daemon/d' nginx.conf
RUN sed -i '/server_name/a \        location / { }' nginx.conf
RUN sed -i '/^events/i # before events' nginx.conf
RUN sed -i '1i # first line' nginx.conf && sed -i '$a # last line' nginx.conf
RUN sed -i "s#;date.timezone =#date.timezone = Europe/Berlin#" php.ini
RUN sed -i -E 's/^(memory_limit) = .*/\1 = 256M/' php.ini
RUN sed -i -r 's/upload_max_filesize=([0-9]+)M/upload_max_filesize=\1\1M/' php.ini
RUN sed -i 's/\(display_errors\) = On/\1 = Off/' php.ini
RUN sed -ri 's/^#?PermitRootLogin\s+.*/PermitRootLogin yes/' sshd_config
RUN sed -i 's/UsePAM yes/#UsePAM yes/g' sshd_config
RUN sed -i.bak 's/yes/no/' sshd_config; ls
RUN sed -n '2,3p' nginx.conf; sed -n '/http/,/}/p' nginx.conf; sed -n '$=' nginx.conf
RUN sed '2d;4,5d' php.ini; sed '/^$/d' nginx.conf | head -3; sed 's/[aeiou]//g;q' php.ini
RUN sed -e 's/$/\r/' dos.txt > crlf.txt && sed -i 's/\r$//' crlf.txt && cmp dos.txt crlf.txt
RUN sed 's/a/b/2;s/l/L/gp' php.ini; sed -n 's/memory/M/p' php.ini
RUN sed 'y/abc/xyz/' php.ini; sed '1!G;h;$!d' dos.txt; sed N\;P\;D dos.txt
RUN sed '/one/c changed' dos.txt; sed '1r php.ini' dos.txt; sed -n '/two/w out.txt' dos.txt; cat out.txt
RUN sed 's/line/& &/;s/\(one\|two\)/<\1>/' dos.txt
RUN sed -e '/server {/,/}/ s/root .*/root \/srv;/' -i nginx.conf
RUN sed -i 's/nothing-there/x/' php.ini
RUN sed -i 's/x/y/' missing.conf
RUN sed -i 's/[/x/' php.ini
RUN cp nginx.conf n2 && sed -i -e 's/a/A/' n2 php.ini && head -n1 n2 php.ini
RUN sed -i '/^;/d;/^$/d' php.ini && cat php.ini
RUN chmod 640 php.ini && chown 3:4 php.ini && sed -i 's/M/m/' php.ini && stat -c '%a %u %g' php.ini
RUN ln -s php.ini phplink && sed -i 's/m/M/' phplink; ls -l phplink | cut -c1
RUN ln php.ini phphard && sed -i 's/O/o/' php.ini; stat -c %h php.ini phphard
RUN grep -q memory php.ini && echo yes; grep -c '' nginx.conf; grep -v '^#' sshd_config
RUN grep -n listen nginx.conf; grep -i LISTEN nginx.conf; grep -E 'user|pid' nginx.conf; grep -o '[0-9]\+' nginx.conf
RUN grep -r worker . | sort; grep -l memory *; grep -rl Port . ; grep -w no sshd_config
RUN grep nothing php.ini; echo $?
RUN grep -q x missing; echo $?
RUN grep -F 'a.b' php.ini || grep -x 'UsePAM no' sshd_config || echo none
RUN grep -A1 -B1 pid nginx.conf; grep -m1 e nginx.conf; grep -e one -e two dos.txt; echo abc | grep -oE 'b|c'
RUN if ! grep -q '^Port 2222' sshd_config; then echo 'Port 2222' >> sshd_config; fi; tail -1 sshd_config
RUN echo 'export PATH=$PATH:/opt/bin' >> /root/.profile && echo 'alias ll="ls -l"' >> /root/.profile
RUN sed -i 's/root:x:0:0:root/root:x:0:0:Root/' /etc/passwd
RUN echo 'net.core = 1' > /etc/sysctl.conf && sed -i 's/1/2/' /etc/sysctl.conf
RUN printf '%s\n' 'a=1' 'b=2' 'c=3' > kv; while IFS== read -r k v; do echo "$v=$k"; done < kv > vk; cat vk
RUN tr -s ' ' < nginx.conf | cut -d' ' -f2 | sort | uniq -c | sort -rn | head -3
RUN tr '[:lower:]' '[:upper:]' < kv; echo a-b | tr - _; printf 'a\n\nb\n' | tr -s '\n'; echo abc | tr -cd 'ac\n'
RUN head -n -1 kv; tail -c 4 kv; sort -t= -k2 -nr kv; sort -k1,1 kv | uniq -d; printf 'b\na\nb\n' | sort | uniq
