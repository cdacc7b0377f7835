#!/bin/sh
# Installs the version this script lies in: links /usr/local/TiTopStreamer to it, takes over the configuration of the
# version before, and starts both services under an unprivileged user. Run it as root; running it again changes nothing.
set -eu

root=/usr/local/TiTopStreamer
data=/var/lib/TiTopStreamer
user=titopstreamer
units="TiTopStreamer.service TiTopStreamerManager.service"

fail() { echo "installsystemd.sh: $1" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "must be run as root"
here=$(cd "$(dirname "$0")/.." && pwd -P)
case $here in
    /usr/local/TiTopStreamer-*) ;;
    *) fail "unpack the archive in /usr/local first; this is $here" ;;
esac
[ ! -e "$root" ] || [ -L "$root" ] || fail "$root is there and is no symbolic link"
for program in tts ttsm; do
    "$here/bin/$program" --version >/dev/null || fail "$here/bin/$program does not run on this machine"
done

# The operator's configuration goes on; what is new in this version's lies beside it.
before=$(readlink -f "$root" 2>/dev/null || true)
if [ -n "$before" ] && [ "$before" != "$here" ] && [ -d "$before/conf" ]; then
    for file in "$before"/conf/*; do
        [ -f "$file" ] || continue
        name=$(basename "$file")
        if [ -f "$here/conf/$name" ] && ! cmp -s "$file" "$here/conf/$name"; then
            mv "$here/conf/$name" "$here/conf/$name.new"
        fi
        cp -p "$file" "$here/conf/$name"
    done
fi

if ! id "$user" >/dev/null 2>&1; then
    useradd --system --user-group --home-dir "$data" --no-create-home --shell /usr/sbin/nologin "$user"
fi
# Only the data are the daemons' own: they cannot change their programs or configuration files.
chown -R root:root "$here"
chown "root:$user" "$here/conf" "$here"/conf/*
chmod 750 "$here/conf"
chmod 640 "$here"/conf/*
mkdir -p "$data"
chown "$user:$user" "$data"
chmod 700 "$data"

"$here/bin/tts" --check --config "$here/conf/engine.json" >/dev/null || fail "conf/engine.json does not fit this version; nothing was switched"
"$here/bin/ttsm" --check --config "$here/conf/server.json" --engine-config "$here/conf/engine.json" >/dev/null ||
    fail "conf/server.json does not fit this version; nothing was switched"

# One rename: there is no moment without an installed version.
ln -sfn "$here" "$root.next"
mv -T "$root.next" "$root"
for unit in $units; do
    ln -sfn "$root/bin/$unit" "/etc/systemd/system/$unit"
done

if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    for unit in $units; do
        systemctl enable --quiet "$unit"
    done
    # The manager first: the engine then finds it at once.
    systemctl restart TiTopStreamerManager.service TiTopStreamer.service
    echo "installed $here and started: systemctl status TiTopStreamer TiTopStreamerManager"
else
    mkdir -p /etc/systemd/system/multi-user.target.wants
    for unit in $units; do
        ln -sfn "/etc/systemd/system/$unit" "/etc/systemd/system/multi-user.target.wants/$unit"
    done
    echo "installed $here; systemd does not run here, so the services start with the next boot"
fi
echo "first login: see $data/initial-credentials"
