# find, xargs, tar and compression.
FROM base
WORKDIR /f
RUN mkdir -p a/b/c d .hidden && touch a/1.py a/2.pyc a/b/3.pyc a/b/c/4.txt d/x.la .hidden/h && ln -s a link && echo content > d/big
RUN find . | sort; find a -type f | sort; find . -type d -name 'b'
RUN find / -xdev -name '4.txt' 2>/dev/null; true
RUN find . -name '*.pyc' -delete && find . -name '*.py[co]'
RUN find . -type f -name '*.la' -exec rm -f {} \; && find . -type f | sort
RUN find . -type f -exec chmod 640 {} + && find . -type d -exec chmod 750 {} \;
RUN find a -type f -print0 | xargs -0 chmod 600; find a -perm 600 | sort
RUN find . -maxdepth 1 -mindepth 1 | sort; find . -path ./a -prune -o -print | sort
RUN find . -type l -exec ls -l {} \; | cut -c1; find . ! -type d | sort; find . -not -name '*.txt' -type f | sort
RUN find . -name '*.txt' -o -name big | sort; find . \( -name big -o -name h \) -type f | sort
RUN find . -size +0 -type f; find . -empty | sort; find . -user root | wc -l
RUN find . -iname BIG; find missing; echo $?
RUN find . -name big | xargs grep -l content; find d -type f | xargs -I{} cp {} {}.copy; ls d
RUN echo a b c | xargs -n 2 echo; echo "x y" | xargs mkdir; ls -d x y; printf 'p\nq\n' | xargs touch; ls p q
RUN : | xargs echo none; : | xargs -r echo never
RUN find d -name '*.copy' -exec mv {} moved \; ; ls
RUN find . -mtime +1; find . -newer d/big | wc -l > /dev/null
RUN tar -cf all.tar a d && tar -tf all.tar | sort && mkdir ex && tar -xf all.tar -C ex && ls -R ex
RUN tar -czf all.tgz a && mkdir ex2 && tar -xzf all.tgz -C ex2 --strip-components=1 && ls ex2
RUN tar xzf all.tgz -C ex2 a/b && ls ex2/a
RUN tar -xf missing.tar; echo $?
RUN gzip -k d/big && zcat d/big.gz && gunzip -c d/big.gz > d/again && gzip d/again && ls d
RUN gunzip d/again.gz && cat d/again && rm d/again
RUN mkdir -p cleanup/.git cleanup/node_modules/.bin && rm -rf cleanup/.git cleanup/node_modules && ls -A cleanup
RUN touch -d 2001-01-01 ts && tar -cf ts.tar ts && rm ts && tar -xf ts.tar && stat -c %Y ts
RUN tar -c -f - a | tar -x -f - -C ex && ls ex/a
RUN (cd a && tar cf - .) | (mkdir -p piped && cd piped && tar xf -) && find piped | sort
RUN du -s a > /dev/null; ls -la a | wc -l; ls -R a
