# Runs a PostgreSQL server for the tests, on a socket in a private folder. The server ends when the test process ends
# in any way, because then this script's standard input is closed. Arguments: the folder of the server's programs, and
# a port. Prints the socket's folder. With TLS_CERTIFICATE and TLS_KEY, two PEM texts, the server also listens on that
# port of 127.0.0.1. Then the script carries out the commands on its standard input, and answers each with a line:
# stop, start, freeze, thaw.
set -eu
programs=$1
port=$2
# Below /tmp, not below TMPDIR: the path of a socket has to be short.
folder=$(mktemp -d /tmp/traffic-generator-tests.XXXXXX)
server=

start() {
    "$programs/postgres" -D "$folder/data" >>"$folder/log" 2>&1 </dev/null &
    server=$!
    tries=0
    until "$programs/pg_isready" -q -h "$folder" -p "$port"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ]; then cat "$folder/log" >&2; exit 1; fi
        sleep 0.1
    done
}
# Ends the server as a crash would: without a word to its clients.
stop() {
    if [ -n "$server" ]; then kill -QUIT "$server" 2>/dev/null || true; wait "$server" || true; fi
    server=
}
# Sends a signal to the server and to its child processes.
signal() {
    for process in "$server" $(cat "/proc/$server/task/$server/children"); do kill "$1" "$process" 2>/dev/null || true; done
}
clean_up() {
    if [ -n "$server" ]; then signal -CONT; fi
    stop
    rm -rf "$folder"
}

trap clean_up EXIT
cd "$folder"
"$programs/initdb" -D data -U guard -A trust --no-sync --no-locale -E UTF8 >log 2>&1 || { cat log >&2; exit 1; }
printf '%s\n' 'local all all trust' 'host all with_password all scram-sha-256' 'host all all all trust' >data/pg_hba.conf
cat >>data/postgresql.conf <<END
unix_socket_directories = '$folder'
port = $port
listen_addresses = ''
fsync = off
max_connections = 200
shared_buffers = 16MB
END
if [ -n "${TLS_CERTIFICATE:-}" ]; then
    (umask 077 && printf '%s' "$TLS_CERTIFICATE" >data/server.crt && printf '%s' "$TLS_KEY" >data/server.key)
    printf '%s\n' "listen_addresses = '127.0.0.1'" 'ssl = on' >>data/postgresql.conf
fi
start
echo "$folder"
while read -r command; do
    case $command in
        stop) stop ;;
        start) start ;;
        freeze) signal -STOP ;;
        thaw) signal -CONT ;;
        *) echo "unknown command: $command" >&2 && exit 1 ;;
    esac
    echo done
done
