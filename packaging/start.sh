#!/bin/sh
# Runs manager and engine together, as in a container: signals end both, and when one ends by itself so does the other.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
"$here/ttsm" &
manager=$!
"$here/tts" &
engine=$!

stop() { kill -TERM "$manager" "$engine" 2>/dev/null || true; }
trap stop TERM INT
trap 'kill -HUP "$manager" "$engine" 2>/dev/null || true' HUP

# Whichever ends first takes the other with it; a signal only interrupts the wait.
code=0
while kill -0 "$manager" 2>/dev/null && kill -0 "$engine" 2>/dev/null; do
    sleep 1 &
    wait $! || true
done
stop
wait "$manager" || code=$?
wait "$engine" || code=$?
exit "$code"
