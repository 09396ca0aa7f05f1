# A PostgreSQL server of its own for the tests: it listens on a socket in a private folder, and goes with the test process,
# however that one ends, since then its standard input is closed. Takes the folder of the server's programs; prints the
# socket's folder.
set -eu
programs=$1
# Not below TMPDIR: the path of a socket has to be short.
folder=$(mktemp -d /tmp/traffic-generator-tests.XXXXXX)
server=
clean_up() {
    if [ -n "$server" ]; then kill -QUIT "$server" 2>/dev/null || true; wait "$server" || true; fi
    rm -rf "$folder"
}
trap clean_up EXIT
cd "$folder"
"$programs/initdb" -D data -U guard -A trust --no-sync --no-locale -E UTF8 >log 2>&1 || { cat log >&2; exit 1; }
"$programs/postgres" -D data -k "$folder" -c listen_addresses= -c fsync=off -c max_connections=200 \
    -c shared_buffers=16MB >>log 2>&1 </dev/null &
server=$!
tries=0
until "$programs/pg_isready" -q -h "$folder"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ]; then cat log >&2; exit 1; fi
    sleep 0.1
done
echo "$folder"
exec >&-
cat >/dev/null
