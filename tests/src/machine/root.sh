# Turns the clean Debian in $1 into the root file system of a server: installs the packages after it, and adds what the
# lab needs. Called as the first process of new mount and PID namespaces, so nothing of it outlives this.
set -e
root=$1
shift
[ -d "$root/etc" ]
mount --make-rprivate /
mount -t proc proc "$root/proc"
# Packages start no daemons.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
in_root() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}
in_root apt-get --quiet update
in_root apt-get --quiet --yes --no-install-recommends -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 \
    -o APT::Keep-Downloaded-Packages=true -o DPkg::Options::=--force-unsafe-io install "$@"
rm "$root/usr/sbin/policy-rc.d"

echo server >"$root/etc/hostname"
echo '127.0.0.1 localhost server' >"$root/etc/hosts"
echo '/dev/vda / ext4 defaults 0 1' >"$root/etc/fstab"
: >"$root/etc/machine-id"
mkdir -p "$root/usr/lib/modules"

# NICs are named by the last byte of their addresses, whatever order their drivers are loaded in.
for n in 0 1 2 3 4 5; do
    printf '[Match]\nPermanentMACAddress=52:54:00:00:01:0%s 52:54:00:00:02:0%s\n[Link]\nName=nic%s\n' $n $n $n \
        >"$root/etc/systemd/network/10-nic$n.link"
done
# The console belongs to root, for looking around.
getty=$root/etc/systemd/system/serial-getty@ttyS0.service.d
mkdir -p "$getty"
printf '[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --keep-baud 115200 - vt220\n' >"$getty/lab.conf"

# Events of the devices that a server in the lab has: those of CPU and firmware load dozens of modules, slowly.
trigger=$root/etc/systemd/system/systemd-udev-trigger.service.d
mkdir -p "$trigger"
{
    printf '[Service]\nExecStart=\nExecStart=-udevadm trigger --action=add'
    printf ' --subsystem-match=%s' pci virtio virtio-ports block net tty
    echo
} >"$trigger/lab.conf"
# What no scenario needs takes seconds on an emulated processor.
for unit in uuidd.socket getty-static.service getty@tty1.service systemd-binfmt.service systemd-update-utmp.service \
    systemd-update-utmp-runlevel.service systemd-timesyncd.service kmod-static-nodes.service dev-hugepages.mount \
    dev-mqueue.mount sys-kernel-config.mount sys-fs-fuse-connections.mount modprobe@configfs.service \
    modprobe@dm_mod.service modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service \
    modprobe@loop.service proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer systemd-pstore.service openvswitch-switch.service; do
    in_root systemctl --quiet disable "$unit" 2>/dev/null || true
done
in_root systemctl --quiet enable lab-network lab-control
