#!/bin/sh
# checksums.sh [FOLDER]: what stands in landing, file by file, held to the SHA256SUMS that deliveries bring along.
#
# FOLDER is what `/job` is in a container. The log lists sum, bytes and name; outputs.json counts, and has the sum of
# the list, so that two runs are compared by one value. A lake in a bucket is out of a shell's reach: there the job
# lists what it was given itself. Exit codes: 65 for a file that is not what its SHA256SUMS says, 99 without landing.
set -eu

job=${1:-/job}
case ${LAKE_URI:-} in
/*) place=$LAKE_URI/landing ;;
*) place=$job/in ;;
esac
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
: >"$scratch/listed"
: >"$scratch/broken"
lists=0

# A JSON string of what comes in: names of files may hold anything.
quoted() {
    printf '"'
    tr -d '\000-\037' | sed 's/[\\"]/\\&/g'
    printf '"'
}

# close STATUS EXIT_CODE REASON [KIND]: leave outputs.json under its name only when it is whole, and end.
close() {
    reason=$(printf '%s' "$3" | quoted)
    error=null
    [ "$1" != failed ] || error="{\"kind\": \"$4\", \"type\": \"ChecksumError\", \"message\": $reason}"
    counts=$(awk '{ bytes += $2 } END { printf "\"files\": %d, \"bytes\": %.0f", NR, bytes }' "$scratch/listed")
    cat >"$job/out/outputs.json.new" <<END
{"slipway": 1, "job": "checksums", "status": "$1", "reason": $reason,
 "counts": {$counts, "lists": $lists}, "listing_sha256": "$(sha256sum <"$scratch/listed" | cut -c 1-64)",
 "error": $error, "closed": true}
END
    mv "$job/out/outputs.json.new" "$job/out/outputs.json"
    exit "$2"
}

[ -d "$place" ] || close nothing_to_do 99 "$place is not there: nothing was landed yet"
cd "$place"

# What is still arriving has no name yet, so it is no file of landing.
find . -path ./.incoming -prune -o -type f -exec sh -ec '
for file; do
    sum=$(sha256sum <"$file")
    size=$(wc -c <"$file")
    printf "%.64s %s %s\n" "$sum" "$size" "$(printf "%s" "${file#./}" | tr "[:cntrl:]" "?")"
done' sh {} + >"$scratch/unsorted" || close failed 75 "a file in $place can't be read, or went meanwhile: see above" try_again
LC_ALL=C sort -k 3 "$scratch/unsorted" >"$scratch/listed"
cat "$scratch/listed"

lists=$(find . -path ./.incoming -prune -o -type f -name SHA256SUMS -print | grep -c . || true)
find . -path ./.incoming -prune -o -type f -name SHA256SUMS -exec sh -c '
place=$1 broken=$2
shift 2
for list; do
    cd "$place/${list%/*}" && sha256sum --check --quiet --strict SHA256SUMS || echo "${list#./}" >>"$broken"
done' sh "$place" "$scratch/broken" {} +

[ ! -s "$scratch/broken" ] || close failed 65 \
    "a delivery in $place is not as its $(head -n 1 "$scratch/broken") says: see above, and ask for it anew" bad_data
close done 0 ""
