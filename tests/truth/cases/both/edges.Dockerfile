# Edges that steps of public Dockerfiles met: text in sed's a, i and c; names with slashes; xargs without input.
FROM base
WORKDIR /t
RUN printf '[mysqld]\nx=1\n' > my.cnf; sed -i '/\[mysqld\]/a server-id=1\nlog-bin' my.cnf; cat my.cnf
RUN printf 'a\nb\n' > f; sed 'a\nfoo' f; sed '1i \\none {\n two\n}' f; sed '2c one\ntwo' f; sed -i '$a end' f; cat f
RUN printf 'a\n' | sed -n 's/a/x\ty\nz/p'; sed -i 's/a/b/'; echo $?; sed -i s/a/b/ nosuch; echo $?; mkdir dir; sed -i s/a/b/ dir; echo $?
RUN mkdir d; ln -s d l; echo x > d/f; rm -f nosuch/; echo $?; rm -rf f/; echo $?; ls; rm -rf l/; echo $?; ls -A . d
RUN find . -name '*.none' | xargs sed -i s/a/b/; echo $?; find . -name '*.none' | xargs -r sed -i s/a/b/; echo $?
RUN mkdir -m 2775 g && mkdir -m 755 s && echo x > s/f && cp -r s g/ && cp s/f g/f && stat -c '%a %n' g g/s g/s/f g/f
RUN ln s/f s/h; ln s/f s/i; rm s/h; mv s/i s/j; cp -a s s2; rm s2/f; stat -c '%h %n' s/f s2/j; cat /proc/self/comm
RUN for i in 1 2 3; do echo $i > x+; chmod 600 x+; mv x+ s/f; done; mkdir n; mv s/j n/k; mv n/k k; rmdir n; cat /proc/self/comm
RUN mkdir -p m1/sub m2/sub; echo 1 > m1/file; mv m1/sub m1/file m2; ls m1 m2; mkdir e1 e2; mv -T e1 e2 2>&1; ls -d e*
RUN echo "0000  nosuch" > sums; sha256sum -c sums; echo $?; sha256sum d/f > ok; sha256sum -c ok; rm -f d/f; sha256sum -c ok; echo $?
RUN touch f1; chmod 600 f1; chown 1:1 f1; ls -ln f1 | cut -c1-24; ls -l | cut -c1-10
