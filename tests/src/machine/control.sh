#!/bin/sh
# Runs scripts for the host of this virtual machine, one after another. The host sends "LENGTH" and a script of so many
# bytes over a virtio port, and receives "CODE LENGTH", the exit code, and the output of so many bytes.
port=/dev/virtio-ports/control
script=/run/control.script output=/run/control.output
while :; do
    # The port comes a while after this, at boot.
    until [ -e "$port" ]; do sleep 0.1; done
    exec 3<>"$port"
    while read -r length <&3; do
        head -c "$length" <&3 >"$script"
        sh "$script" </dev/null >"$output" 2>&1 3>&-
        code=$?
        { echo "$code $(stat -c %s "$output")"; cat "$output"; } >&3
    done
    # Nobody is connected. A port cannot be opened twice.
    exec 3>&-
    sleep 0.2
done
