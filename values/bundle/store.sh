#!/bin/sh
# store.sh TREE STORE IMAGES SNAPSHOTTER   Imports and unpacks every archive of IMAGES with the tree's own containerd,
# so that STORE holds what a node's /var/lib/containerd would after the same imports. It runs in namespaces of its
# own: mounts and processes end with it, and nothing is written into the tree.
set -eu
tree=$1 store=$2 images=$3 snapshotter=$4
if [ "${5:-}" != inside ]; then
    exec unshare --mount --pid --net --fork --kill-child --propagation private \
        "$0" "$tree" "$store" "$images" "$snapshotter" inside
fi

base=$store.work
mkdir -p "$base" "$store"
mount -t tmpfs -o mode=0755,size=64m tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$base/upper,workdir=$base/work" "$base/root"
root=$base/root
mkdir -p "$root/images" "$root/var/lib/containerd"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount --bind "$store" "$root/var/lib/containerd"
mount --bind -o ro "$images" "$root/images"
cat > "$root/run/config.toml" <<C
version = 2
# Only what an import needs: no CRI, and no other snapshotter whose folder would be left behind.
disabled_plugins = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.opt",
  "io.containerd.internal.v1.restart",
  "io.containerd.runtime.v1.linux",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.native",
  "io.containerd.snapshotter.v1.zfs",
]
C
chroot "$root" containerd --config /run/config.toml &
containerd=$!
tries=0
until chroot "$root" ctr version > /dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { echo "containerd did not answer in 20 s" >&2; exit 1; }
    sleep 0.2
done
for archive in "$images"/*.tar; do
    chroot "$root" ctr --namespace k8s.io images import --snapshotter "$snapshotter" "/images/${archive##*/}"
done
for image in $(chroot "$root" ctr --namespace k8s.io images list --quiet); do
    chroot "$root" ctr --namespace k8s.io images label "$image" \
        io.cri-containerd.image=managed io.cri-containerd.pinned=pinned > /dev/null
done
chroot "$root" ctr --namespace k8s.io images check
# An orderly end writes the databases out.
kill -TERM "$containerd"
wait "$containerd"
sync -f "$store"
