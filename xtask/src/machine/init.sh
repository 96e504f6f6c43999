#!/bin/busybox sh
# Finds the root file system and the modules of the kernel, and hands over to systemd.
/bin/busybox --install -s /bin
export PATH=/bin

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do
    insmod "/modules/$module.ko" || echo "init: cannot load $module"
done
# Probing disks takes a moment.
while [ ! -b /dev/vda ] || [ ! -b /dev/vdb ]; do
    sleep 0.1
done
mount -t ext4 -o rw /dev/vda /root && mount -t ext4 -o ro /dev/vdb /root/usr/lib/modules || {
    echo "init: cannot mount the disks"
    poweroff -f
}
for folder in proc sys dev; do
    mount --move "/$folder" "/root/$folder"
done
exec switch_root /root /lib/systemd/systemd
