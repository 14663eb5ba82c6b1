#!/bin/bash
# compare.sh 2|3 [sequential|parallel]...   `coordinator up --through N` beside the hand-written scripts: same machine, bundle,
# root file system and run. Prints seconds, CPU seconds inside the nodes, and the ratios. Needs root, a built bundle and a
# free 192.168.64.0/24; everything it makes is removed again.
set -eu
HERE=$(cd "$(dirname "$0")" && pwd); ROOT=$(cd "$HERE/../.." && pwd)
THROUGH=${1:?2 or 3}; shift; MODES=${*:-parallel}
CACHE=${DRILLYARD_CACHE:-$HOME/.cache/drillyard}
WORK=$(mktemp -d)
export DRILLYARD_HOME=$WORK/home DRILLYARD_CACHE=$CACHE DRILLYARD_PROJECT=$ROOT
COORDINATOR=$ROOT/target/release/coordinator
# Nodes that run have their disks and trees below it: they go first, and nothing of another file system goes with it.
trap '"$COORDINATOR" down --purge > /dev/null 2>&1; rm -rf --one-file-system "$WORK"' EXIT
cpu() { cat /sys/fs/cgroup/cpuacct/"$1"*/cpuacct.usage 2> /dev/null | awk '{s += $1} END {printf "%.1f", s / 1e9}'; }
row() { printf '%-28s %7.1f s %7s CPU s in nodes\n' "$1" "$2" "$3"; }

"$COORDINATOR" down --purge > /dev/null 2>&1 || true
start=$(date +%s.%N)
"$COORDINATOR" up --yes --through "$THROUGH" 2> "$WORK/up.log" || { tail -5 "$WORK/up.log"; exit 1; }
ours=$(echo "$(date +%s.%N) $start" | awk '{print $1 - $2}')
row "coordinator up --through $THROUGH" "$ours" "$(cpu drillyard-default-)"
daemon=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$DRILLYARD_HOME/daemon.json")
awk '/VmHWM/ {printf "%-28s %7.1f MiB\n", "  coordinator at its most", $2 / 1024}' "/proc/$daemon/status"
EVENTS=${EVENTS:-$WORK/events.json}
"$COORDINATOR" events --json > "$EVENTS"
# A cluster's nodes are Ready once its component waits for something else than nodes; the last cluster counts.
ready() {
    grep '"kind":"step_progress"' "$EVENTS" | grep 'await_ready/cilium:' | grep -v 'nodes are Ready' |
        sed 's/.*"cluster":"\([^"]*\)".*"time":"\([^"]*\)".*/\1 \2/' | awk '!($1 in seen) {seen[$1]; print $2}' | sort | tail -1
}
if [ "$THROUGH" = 3 ]; then
    printf '%-28s %7.1f s\n' "  six nodes Ready" "$(echo "$(date -d "$(ready)" +%s.%N) $start" | awk '{print $1 - $2}')"
fi
"$COORDINATOR" down --purge > /dev/null

"$HERE/bundle.sh" "$CACHE/bundle" "$CACHE/baseline-bundle" > /dev/null
export ROOTFS=$CACHE/rootfs/tree BUNDLE=$CACHE/baseline-bundle LAB=$WORK/baseline BRIDGE=br-baseline
for mode in $MODES; do
    log=$WORK/$mode.log
    "$HERE/bootstrap.sh" "$mode" $([ "$THROUGH" = 3 ] && echo --cilium) > "$log" 2>&1 || { tail -5 "$log"; "$HERE/node.sh" stop; exit 1; }
    theirs=$(awk '$NF == "total" {print $1}' "$log")
    row "bootstrap.sh $mode" "$theirs" "$(awk '$NF == "total" {print $3}' "$log")"
    [ "$THROUGH" = 3 ] && grep 'six nodes Ready' "$log"
    echo "$ours $theirs" | awk -v m="$mode" '{printf "ratio to %s: %.2f\n", m, $1 / $2}'
    "$HERE/node.sh" stop
done
rm -rf "$CACHE/baseline-bundle"
