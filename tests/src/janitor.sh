# Waits for the end of the process that made the labs called $1-*, however it ends, and removes what they left: stdin
# is a pipe that closes with it. $2 is the directory of temporary files.
trap '' INT TERM HUP
cat >/dev/null
for kept in "$2/$1"-*/kept; do
    [ ! -e "$kept" ] || exit 0
done
for path in /run/netns/"$1"-*; do
    [ -e "$path" ] || continue
    name=${path##*/}
    ip netns pids "$name" | xargs -r kill -9
    ip netns del "$name"
done
rm -rf /sys/fs/bpf/"$1"-* "$2/$1"-*
# Control groups of systems that were booted on hosts.
find /sys/fs/cgroup -depth -type d -path "*/$1-*" -exec rmdir {} ';' 2>/dev/null
