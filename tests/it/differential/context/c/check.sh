set -e
LD_LIBRARY_PATH=. ./greet > one
./greet-static > two
./greet-musl > three
cmp one two
cmp two three
rm one two three
