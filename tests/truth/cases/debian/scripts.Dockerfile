# Programs of the image that are not the distribution's, and steps that need it natively.
FROM base
COPY --chmod=755 <<'S' /usr/local/bin/greet
#!/bin/sh
echo "greeting $1" > /greeting
S
COPY --chmod=755 <<'S' /usr/local/bin/sed
#!/bin/sh
echo "not sed" > /not-sed
S
COPY --chmod=755 <<'S' /usr/sbin/addgroup
#!/bin/sh
echo "my addgroup $*" > /my-addgroup
S
COPY --chmod=755 <<'S' /usr/bin/cat
#!/bin/sh
echo "my cat"
S
RUN greet you
RUN sed -i s/a/b/ /etc/passwd
RUN addgroup team
RUN cat /etc/passwd
RUN /usr/bin/sed --version | /usr/bin/head -1
RUN /bin/cat /etc/group
RUN PATH=/usr/bin:/bin; sed -n 1p /etc/passwd
RUN PATH=/usr/local/bin:$PATH; cp /bin/true /usr/local/bin/mkdir; mkdir /dir; ls -d /dir
RUN rm /usr/local/bin/mkdir; printf '#!/bin/sh\necho fake "$@"\n' > /usr/local/bin/touch; chmod +x /usr/local/bin/touch; touch /x; ls /x
RUN rm /usr/local/bin/touch; cp /bin/ls /usr/local/bin/mine; mine -d /etc; cp /bin/echo /bin/rm; rm -f /etc/passwd; ls /etc/passwd
RUN printf '#!/bin/sh\necho setup > /setup-done\nmkdir -p /from/script\n' > /setup.sh && chmod +x /setup.sh && /setup.sh
RUN . /setup.sh; sh /setup.sh; ls -d /from/script
RUN dpkg --version | head -1 | cut -c1-6
RUN apt-get --version | head -1 | cut -c1-3
RUN x=dpkg; $x --version > /dev/null && echo ran > /ran
RUN echo before; ls / > /ls1; perl -e 'print "perl\n"'; echo after
RUN eval "perl -e 'print 1'"; trap "perl -e 'print 2'" EXIT; echo t
RUN find /etc -maxdepth 0 -exec perl -e 'print "x\n"' \; ; echo /etc | xargs perl -e 'print "$ARGV[0]\n"'
RUN env perl -e 'print "e\n"'; command perl -e 'print "c\n"'; exec perl -e 'print "x\n"'
RUN su -c 'echo as root' root
RUN yes | perl -ne 'print; exit'
