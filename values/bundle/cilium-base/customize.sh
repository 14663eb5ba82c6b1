#!/bin/sh
# Reduces a Debian tree to the commands of keep.txt and the shared libraries they load. mmdebstrap calls it with
# the tree's path; the packages are only extracted, their maintainer scripts never ran.
set -eu
root=$1
here=$(dirname "$0")
slim=$root/slim
libs=usr/lib/x86_64-linux-gnu
keep=$(grep -v '^#' "$here/keep.txt")

mkdir -p "$slim/$libs/xtables" "$slim/usr/lib64" "$slim/usr/bin" "$slim/usr/sbin" "$slim/etc" "$slim/tmp" "$slim/run" \
    "$slim/var/lib" "$slim/root"
for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$slim/$dir"; done
ln -s ../run "$slim/var/run"
chmod 1777 "$slim/tmp"

# Copies one file under the name it has in the tree, and the target of a library's version link.
take() {
    mkdir -p "$slim/$(dirname "$1")"
    cp -L "$root/$1" "$slim/$1"
}
for file in $keep; do take "$file"; done
for file in "$root/$libs"/xtables/*.so; do cp -P "$file" "$slim/$libs/xtables/"; done

# Z3 serves clang's static analyser only, and is loaded by name at every start: 28 MB for nothing. LLVM binds its
# symbols lazily, so that an empty library of that name is enough; a call into it would end clang with an error.
rm -f "$root/$libs"/libz3.so.4*
cc -shared -nostdlib -s -Wl,--build-id=none -Wl,-soname,libz3.so.4 -o "$root/$libs/libz3.so.4" -x c /dev/null

# Prints every library that the dynamic loader maps for one program.
needs() { chroot "$root" /lib64/ld-linux-x86-64.so.2 --list "/$1" | sed -n 's,.* => \(/[^ ]*\) .*,\1,p'; }
for file in $keep $(cd "$root" && ls $libs/xtables/*.so); do
    needs "$file"
done | sed 's,.*/,,' | sort -u | while read -r lib; do take "$libs/$lib"; done
cp -L "$root/usr/lib64/ld-linux-x86-64.so.2" "$slim/usr/lib64/"

ln -s bash "$slim/usr/bin/sh"
ln -s ../lib/llvm-19/bin/clang "$slim/usr/bin/clang"
mkdir -p "$slim/usr/local/bin"
install -m 0755 "$here/clang" "$slim/usr/local/bin/clang"
# The nft flavour, as Debian's alternatives choose it; the legacy one is there under its own name.
for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
    ln -s xtables-nft-multi "$slim/usr/sbin/$tool"
    case $tool in
    *-*) flavour="${tool%%-*}-legacy-${tool#*-}" ;;
    *) flavour="$tool-legacy" ;;
    esac
    ln -s xtables-legacy-multi "$slim/usr/sbin/$flavour"
done
printf 'root:x:0:0:root:/root:/bin/bash\n' > "$slim/etc/passwd"
printf 'root:x:0:\n' > "$slim/etc/group"

# The tree becomes what was picked. mmdebstrap still needs its own apt settings to clean up after itself.
for entry in "$root"/* "$root"/.[!.]*; do
    case ${entry##*/} in
    slim | dev | proc | sys | '.[!.]*') ;;
    etc) find "$entry" -mindepth 1 -maxdepth 1 ! -name apt -exec rm -rf {} + ;;
    tmp) ;;
    var) find "$entry" -mindepth 1 -maxdepth 1 ! -name lib ! -name cache -exec rm -rf {} +
        find "$entry/lib" -mindepth 1 -maxdepth 1 ! -name apt ! -name dpkg -exec rm -rf {} + ;;
    *) rm -rf "$entry" ;;
    esac
done
cp -a "$slim/." "$root/"
rm -rf "$slim"

# Otherwise the owner of apt's folders depends on whether its user could reach the place where the tree is made.
echo 'APT::Sandbox::User "root";' > "$root/etc/apt/apt.conf.d/10sandbox"
chown 0:0 "$root/var/lib/apt/lists/partial" "$root/var/cache/apt/archives/partial"
