#!/bin/busybox sh
# The only process of a test VM: prepares the system, runs the tests, reports their exit code, and ends it all.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ RUST_BACKTRACE=1

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t bpf bpf /sys/fs/bpf
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run

for module in $(cat /modules/order); do
    insmod "/modules/$module.ko" || echo "init: cannot load $module"
done
ip link set lo up

echo "init: Linux $(uname -r)"
/tests $(cat /arguments)
echo "init: tests exited with $?"

sync
reboot -f
