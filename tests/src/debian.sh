# Boots the system in $1 as far as its first process, which the words after $2 are. Called as the first process of new
# mount, PID, UTS and IPC namespaces, in the network namespace of a host. $2 names its control group.
set -e
root=$1 name=$2
shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t bpf -o mode=0700 bpf "$root/sys/fs/bpf"
for dir in run tmp dev; do
    mount -t tmpfs -o mode=0755 tmpfs "$root/$dir"
done
chmod 1777 "$root/tmp"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
# A control group of its own, and a namespace in which that is the root.
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mkdir -p "$root/sys/fs/cgroup/$name"
echo $$ >"$root/sys/fs/cgroup/$name/cgroup.procs"
exec unshare --cgroup sh -ec '
    root=$1
    shift
    umount "$root/sys/fs/cgroup"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" "$@"
' sh "$root" "$@"
