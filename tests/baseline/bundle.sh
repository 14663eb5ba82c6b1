#!/bin/sh
# bundle.sh BUNDLE ALIASED   Makes the bundle that bootstrap.sh is measured on, without copying what is large.
# The scripts let kubeadm choose its default etcd and CoreDNS tags, while the bundle labels both with the versions
# that were really built. ALIASED holds the same programs, charts and images (hard links), and those two archives
# under the default names. Same bytes to import, so the measurement is a fair one; for the baseline only.
set -eu
bundle=$1 aliased=$2
rm -rf "$aliased"
mkdir -p "$aliased/images" "$aliased/scratch"
cp -al "$bundle/bin" "$bundle/charts" "$aliased/"
cp -al "$bundle"/images/*.tar "$aliased/images/"
"$bundle/bin/kubeadm" config images list --kubernetes-version v1.35.4 2> /dev/null > "$aliased/wanted"
for name in etcd coredns; do
    wanted=$(grep "/$name:" "$aliased/wanted")
    tar -xf "$bundle/images/$name.tar" -C "$aliased/scratch"
    # Names stand in the two indexes alone, which nothing refers to by digest.
    sed -i "s,\"[^\"]*/$name:[^\"]*\",\"$wanted\",; s,\(ref.name\": *\"\)[^\"]*,\1${wanted##*:}," "$aliased/scratch/index.json" \
        "$aliased/scratch/manifest.json"
    rm "$aliased/images/$name.tar"
    tar -C "$aliased/scratch" -cf "$aliased/images/$name.tar" oci-layout index.json manifest.json blobs
    rm -rf "$aliased/scratch"/*
done
rm -rf "$aliased/scratch" "$aliased/wanted"
