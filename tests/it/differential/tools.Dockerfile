FROM tools
ENV SOURCE_DATE_EPOCH=1700000000 HOME=/root
COPY . /src
RUN export GIT_AUTHOR_DATE=@1700000000 GIT_COMMITTER_DATE=@1700000000 && git config --global user.email a@b && \
    git config --global user.name n && cp -r /src/c /repo && cd /repo && git init -q -b main && git add . && \
    git commit -qm one && chmod +x check.sh && git commit -qam two && git tag v1 && git clone -q /repo /clone && \
    git clone -q --depth 1 file:///repo /shallow && git -C /clone checkout -q -b other v1 && \
    git -C /clone worktree add -q /tree v1 && git -C /repo archive --prefix=p/ HEAD | tar -C /opt -x
RUN cd /src/c && make -j2 && make check && make install && ldconfig && greet && /usr/local/bin/greet-static && \
    /usr/local/bin/greet-musl && make clean && test -z "$(find . -name '*.o')"
RUN pip wheel -q --no-index --no-build-isolation -w /wheels /src/py && python3 -m venv /venv && \
    /venv/bin/pip install -q --no-index --find-links /wheels hello && /venv/bin/hello && \
    pip install -q --break-system-packages --no-index --no-build-isolation /src/py && hello && \
    python3 -c 'import hello, sys; sys.exit(hello.main() or 0)'
RUN cd /src/js && for n in $(seq 40); do mkdir -p p/$n/lib && echo "module.exports = $n" > p/$n/lib/index.js && \
      printf '{"name":"dep-%s","version":"1.0.%s","main":"lib/index.js","bin":{"dep-%s":"lib/index.js"}}' $n $n $n > p/$n/package.json && \
      tar --sort=name --mtime=@0 --owner=0 --group=0 --transform "s,^$n,package," -C p -czf dep-$n.tgz $n; done && rm -rf p && \
    npm config set update-notifier false && npm config set fund false && npm config set audit false && \
    npm install --offline --package-lock-only ./dep-*.tgz && npm ci --offline && node main.js && rm -rf /root/.npm
RUN cd /src/rs && CARGO_HOME=/cargo cargo install --offline --path . --root /usr/local && rm -rf target /cargo && sum 1 2 3
RUN python3 /src/py/files.py /py.out && cat /py.out
RUN perl /src/perl/files.pl /pl.out && cat /pl.out
