#!/bin/sh
# Stops and removes the services and the link /usr/local/TiTopStreamer. Programs, configuration and data stay, unless
# called with --purge, which removes all of them and the user. Run it as root.
set -eu

root=/usr/local/TiTopStreamer
data=/var/lib/TiTopStreamer
user=titopstreamer
units="TiTopStreamer.service TiTopStreamerManager.service"

[ "$(id -u)" = 0 ] || { echo "uninstallsystemd.sh: must be run as root" >&2; exit 1; }
purge=no
case ${1-} in
    '') ;;
    --purge) purge=yes ;;
    *) echo "usage: uninstallsystemd.sh [--purge]" >&2; exit 2 ;;
esac

for unit in $units; do
    if [ -d /run/systemd/system ]; then
        systemctl disable --now --quiet "$unit" 2>/dev/null || true
    fi
    rm -f "/etc/systemd/system/multi-user.target.wants/$unit" "/etc/systemd/system/$unit"
done
[ ! -d /run/systemd/system ] || systemctl daemon-reload
if [ -L "$root" ]; then rm "$root"; fi

if [ $purge = yes ]; then
    for version in /usr/local/TiTopStreamer-*; do
        if [ -d "$version" ]; then rm -rf "$version"; fi
    done
    rm -rf "$data"
    if id "$user" >/dev/null 2>&1; then userdel "$user"; fi
    echo "removed, with configuration and data"
else
    echo "removed; configuration and data stay in /usr/local/TiTopStreamer-* and $data (--purge removes them)"
fi
