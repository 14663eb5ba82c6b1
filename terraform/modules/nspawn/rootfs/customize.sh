#!/bin/sh
# Turns a fresh Debian tree into a lab node's root file system. mmdebstrap calls it with the tree's path,
# after the packages are in and files/ has been copied over them. Everything here must give the same bytes twice.
set -eu
root=$1

# The agent's unprivileged half runs as this user. The number is fixed, so that files of one node mean the same in another.
chroot "$root" groupadd --system --gid 970 drillyard
chroot "$root" useradd --system --uid 970 --gid 970 --no-create-home --home-dir /nonexistent \
    --shell /usr/sbin/nologin drillyard

# Mount points of the shared, read-only bundle and content store, and the folders that Kubernetes writes to.
mkdir -p "$root/opt/drillyard/bundle" "$root/opt/drillyard/store" "$root/opt/cni/bin" "$root/etc/cni/net.d" \
    "$root/etc/kubernetes" "$root/var/lib/kubelet" "$root/var/lib/etcd" "$root/var/lib/containerd"
chmod 0700 "$root/var/lib/etcd"
for plugin in "$root"/usr/lib/cni/*; do
    ln -sf "/usr/lib/cni/${plugin##*/}" "$root/opt/cni/bin/${plugin##*/}"
done

# Units that cost boot time or disturb a drill. A node never sets the clock: it is the host's.
for unit in apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service \
    dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer \
    cloud-init-hotplugd.socket console-getty.service container-getty@.service getty.target \
    systemd-logind.service systemd-modules-load.service systemd-networkd-wait-online.service \
    systemd-random-seed.service systemd-timesyncd.service systemd-udev-settle.service systemd-update-utmp.service \
    systemd-update-utmp-runlevel.service systemd-pcrphase.service systemd-pcrphase-sysinit.service \
    netplan-wpa-supplicant.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
for unit in containerd.service systemd-networkd.service node-cgroups.service run-cilium-cgroupv2.mount; do
    chroot "$root" systemctl enable --quiet "$unit"
done

# cloud-init starts Python four times per boot. Hash-based, unchecked byte code is the same in every build and
# costs no look at the sources; the second level serves `python3 -O`, which nothing uses, so it is left out.
find "$root/usr/lib/python3" "$root"/usr/lib/python3.* -name __pycache__ -prune -exec rm -rf {} +
chroot "$root" python3 -m compileall -q -j 1 --invalidation-mode unchecked-hash \
    /usr/lib/python3/dist-packages /usr/lib/python3.11 > /dev/null

# What differs from build to build, or belongs to the machine that built the tree.
: > "$root/etc/machine-id"
: > "$root/etc/hostname"
rm -f "$root/var/lib/dbus/machine-id" "$root/etc/resolv.conf.bak" "$root/var/cache/ldconfig/aux-cache" \
    "$root/etc/ssh/"*key* "$root/etc/passwd-" "$root/etc/group-" "$root/etc/shadow-" "$root/etc/gshadow-" \
    "$root/etc/subuid-" "$root/etc/subgid-" "$root/var/lib/dpkg/status-old" "$root/var/lib/dpkg/available"
# Not /tmp: mmdebstrap keeps its own apt configuration there until the end.
rm -rf "$root/var/cache/debconf/"*-old "$root/var/lib/cloud" "$root/run/"*
find "$root/var/log" -type f -delete
# See files/etc/apt/apt.conf.d/10sandbox.
chown 0:0 "$root/var/lib/apt/lists/partial" "$root/var/cache/apt/archives/partial"
