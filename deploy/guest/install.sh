#!/bin/sh
# Installs the selfscale monitor into this guest, or into the folder of an image. Everything that it needs is in this file.
set -eu

usage() {
  cat <<'END'
Usage: sh selfscale-monitor-install.sh [options]
Installs the selfscale monitor and starts it: under systemd where that runs, else under its own supervisor. What is there
already is left alone; said twice, it changes nothing.

  --root DIR     into this folder, an image's root, instead of into the running system; nothing is started
  --node PATH    the node to run it with, as seen from inside                            [/usr/bin/node]
  --postgres     let it meet the SQL functions in files (systemd only: elsewhere it may)
  --status-group GROUP
                 members of this group may use the status socket (systemd only, with statusGroup in the monitor's file)
  --no-start     do not start it
  --uninstall    stop it and remove all but its settings
  --purge        with --uninstall: its settings too
END
}

say() { echo "selfscale-monitor: $*"; }
die() {
  echo "selfscale-monitor: $*" >&2
  exit 2
}

root="" node="" postgres="" group="" start=yes uninstall="" purge=""
while [ $# -gt 0 ]; do
  case $1 in
    --root | --node | --status-group)
      [ $# -ge 2 ] || die "$1 needs a value"
      case $1 in
        --root) root=${2%/} ;;
        --node) node=$2 ;;
        *) group=$2 ;;
      esac
      shift
      ;;
    --postgres) postgres=yes ;;
    --no-start) start="" ;;
    --uninstall) uninstall=yes ;;
    --purge) purge=yes ;;
    --help | -h) usage && exit 0 ;;
    *) die "unknown option $1 (see --help)" ;;
  esac
  shift
done
[ -z "$purge" ] || [ -n "$uninstall" ] || die "--purge belongs to --uninstall"
[ -z "$root" ] || [ -d "$root" ] || die "$root is no folder"
[ "$(id -u)" = 0 ] || die "run it as root"

lib=/usr/local/lib/selfscale
unit=/etc/systemd/system/selfscale-monitor.service
drop_in=$unit.d/postgres.conf
group_drop_in=$unit.d/status-group.conf
wanted=/etc/systemd/system/multi-user.target.wants/selfscale-monitor.service
settings=/etc/default/selfscale-monitor
log=/var/log/selfscale-monitor.log
runs_systemd() { [ -z "$root" ] && [ -d /run/systemd/system ]; }
supervisor() {
  # The lock, not the pid, says whether it lives: a pid is soon another's.
  [ -z "$root" ] && [ -e /run/selfscale/supervise.lock ] && ! flock -n /run/selfscale/supervise.lock true &&
    cat /run/selfscale/supervise.pid
}

stop_supervisor() {
  pid=$(supervisor) || return 0
  kill -TERM "$pid"
  # It settles its monitor first; flock waits for both.
  flock -w 10 /run/selfscale/supervise.lock true || die "process $pid does not end"
  say "stopped (was under supervise-monitor)"
}

changed=""
# put MODE SOURCE DESTINATION
put() {
  to=$root$3
  if cmp -s "$2" "$to" && [ "$(stat -c %a "$to")" = "$1" ]; then
    say "unchanged $3"
    return
  fi
  [ -e "$to" ] && did=updated || did=installed
  mkdir -p "${to%/*}"
  # Renamed into its place: a monitor that is just started reads the old one or the new one.
  cp "$2" "$to.new" && chmod "$1" "$to.new" && mv "$to.new" "$to"
  changed=yes
  say "$did $3"
}

remove() {
  for path; do
    [ -e "$root$path" ] || [ -L "$root$path" ] || continue
    rm "$root$path"
    say "removed $path"
    changed=yes
  done
}

if [ -n "$uninstall" ]; then
  if runs_systemd && [ -e $unit ]; then
    systemctl disable --now --quiet selfscale-monitor.service
    say "stopped and disabled (was under systemd)"
  fi
  stop_supervisor
  remove $wanted $drop_in $group_drop_in $unit $lib/selfscale-monitor.cjs $lib/supervise-monitor $lib/claim-pages \
    /usr/local/bin/selfscale-monitor
  [ -z "$purge" ] || remove $settings $log
  rmdir "$root$lib" "$root$unit.d" 2>/dev/null || true
  ! runs_systemd || systemctl daemon-reload
  if [ -z "$root" ] && ! runs_systemd; then
    # The second is where SQL functions and monitor meet, unless its settings say otherwise.
    rm -rf /run/selfscale /run/selfscale-postgres
    rmdir /sys/fs/cgroup/selfscale-monitor 2>/dev/null || true
  fi
  [ -z "$changed" ] && say "was not installed"
  [ ! -e "$root$settings" ] || say "kept $settings (remove it with --purge)"
  exit 0
fi

# The node that runs it.
[ -n "$node" ] || node=/usr/bin/node
case $node in
  /*[!A-Za-z0-9/._+-]* | [!/]*) die "--node $node: expected an absolute path of plain characters" ;;
esac
[ -x "$root$node" ] || die "there is no $root$node: install node 20.19 or later first, or name it with --node"
version=$(${root:+chroot "$root"} "$node" --version 2>/dev/null) || die "$root$node does not run"
numbers=${version#v}
major=${numbers%%.*}
minor=${numbers#*.}
minor=${minor%%.*}
case $major$minor in
  "" | *[!0-9]*) die "$root$node says its version is \"$version\"" ;;
esac
if [ "$major" -lt 20 ] || { [ "$major" = 20 ] && [ "$minor" -lt 19 ]; }; then
  die "$root$node is $version, and 20.19 or later is needed; name another with --node"
fi
say "node is $node, $version"
case $group in
  *[!A-Za-z0-9_.-]* | -*) die "--status-group $group: expected the name of a group" ;;
  ?*) cut -d : -f 1 "$root/etc/group" | grep -qxF "$group" || die "there is no group $group: make it first" ;;
esac

files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
sed '1,/^__FILES__$/d' "$0" | base64 -d | tar -xz -C "$files" || die "this file is not whole"
for file in selfscale-monitor.service supervise-monitor claim-pages; do
  sed -i "s#/usr/bin/node#$node#" "$files/$file"
done
cat >"$files/command" <<END
#!/bin/sh
exec $node $lib/selfscale-monitor.cjs "\$@"
END
# Its files are this group's then, so the monitor needs no right to give them away.
cat >"$files/status-group.conf" <<END
[Service]
Group=$group
END

put 755 "$files/selfscale-monitor.cjs" $lib/selfscale-monitor.cjs
put 755 "$files/supervise-monitor" $lib/supervise-monitor
put 755 "$files/claim-pages" $lib/claim-pages
put 755 "$files/command" /usr/local/bin/selfscale-monitor
if [ -e "$root$settings" ]; then
  say "kept $settings"
else
  put 644 "$files/selfscale-monitor.default" $settings
fi
systemd=""
if [ -x "$root/lib/systemd/systemd" ] || [ -x "$root/usr/lib/systemd/systemd" ]; then
  systemd=yes
  put 644 "$files/selfscale-monitor.service" $unit
  [ -z "$group" ] || put 644 "$files/status-group.conf" $group_drop_in
  [ -z "$postgres" ] || put 644 "$files/selfscale-monitor-postgres.conf" $drop_in
  if [ ! -L "$root$wanted" ]; then
    mkdir -p "$root${wanted%/*}"
    ln -s $unit "$root$wanted"
    say "enabled: systemd starts it at boot"
  fi
fi

if [ -n "$root" ]; then
  [ -n "$systemd" ] || say "no systemd in $root: have $lib/supervise-monitor started at boot"
elif [ -z "$start" ]; then
  say "not started"
elif runs_systemd; then
  systemctl daemon-reload
  if [ -z "$changed" ] && systemctl is-active --quiet selfscale-monitor.service; then
    say "runs already, under systemd"
  else
    systemctl restart selfscale-monitor.service
    say "started, under systemd: systemctl status selfscale-monitor"
  fi
elif [ -z "$changed" ] && supervisor >/dev/null; then
  say "runs already, under supervise-monitor"
else
  stop_supervisor
  setsid $lib/supervise-monitor </dev/null >>$log 2>&1 &
  say "started, under supervise-monitor; it logs to $log"
  say "no systemd runs here: have $lib/supervise-monitor started at boot"
fi
exit 0
__FILES__
