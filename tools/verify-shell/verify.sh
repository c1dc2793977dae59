#!/bin/sh
# Signature, links, size and head of a full export in folder form, or of a run package, with tools that
# every auditor has (docs/evidence-format.md, sections 7, 9, 10 and 11). Slow: for one run or a small export.
# It checks less than `counterfoil verify`: no rules about facts, runs, keys, redactions and holds.
#   verify.sh PACKAGE STREAM_ID KEY.pem...      exit status 0 good, 3 bad, 2 not decided
set -eu
export LC_ALL=C
say() { echo "$2"; exit "$1"; }
[ $# -ge 3 ] || say 2 "usage: verify.sh PACKAGE STREAM_ID KEY.pem..."
for tool in openssl jq sha256sum base64 awk xxd; do
  command -v "$tool" >/dev/null || say 2 "install $tool (Debian: apt install openssl jq coreutils gawk xxd)"
done
package=$1 stream=$2 dir=$(mktemp -d)
shift 2
trap 'rm -rf "$dir"' EXIT
sha() { sha256sum | cut -c1-64; }
leaf() { { printf '\000'; printf %s "$1"; } | sha; }
node() { printf '01%s%s' "$1" "$2" | xxd -r -p | sha; }
signed() { # $dir/note, and one of the keys: the line with its id, strict DER length, signature of the body
  sed '/^$/,$d' "$dir/note" >"$dir/body"
  origin=$(sed -n 1p "$dir/body") size=$(sed -n 2p "$dir/body")
  head=$(awk '$1 == "head" { print $2 }' "$dir/body")
  case $origin in */s/"$stream") ;; *) say 3 "FAIL another stream: $origin" ;; esac
  for key; do
    id=$(openssl pkey -pubin -in "$key" -outform DER | sha | cut -c1-8)
    for line in $(awk -v name="$origin" '$2 == name { print $3 }' "$dir/note"); do
      [ "$(printf %s "$line" | base64 -d | xxd -p -l 4)" = "$id" ] || continue
      printf %s "$line" | base64 -d | tail -c +5 >"$dir/sig"
      [ "$(wc -c <"$dir/sig")" -eq $((0x$(xxd -s 1 -l 1 -p "$dir/sig") + 2)) ] || say 3 "FAIL DER length"
      openssl dgst -sha256 -verify "$key" -signature "$dir/sig" "$dir/body" >"$dir/out" 2>&1 ||
        say 3 "FAIL signature of the seal of size $size"
      return 0
    done
  done
  say 3 "FAIL no signature of these keys on the seal of size $size"
}
if [ -d "$package" ]; then # full export: a header names the leaf before it, a seal the leaf it ends with
  jq -e '.format == "counterfoil.export/1"' "$package/package.json" >/dev/null || say 2 "not a full export"
  prev=$stream n=0 size=0
  : >"$dir/leaves"
  while IFS= read -r line; do
    [ "$(printf %s "$line" | jq -r '"\(.seq) \(.prev)"')" = "$n $prev" ] || say 3 "FAIL link of entry $n"
    prev=$(leaf "$line") n=$((n + 1))
    echo "$prev" >>"$dir/leaves"
  done <"$package/headers.jsonl"
  while IFS= read -r line; do
    printf %s "$line" | jq -j .note >"$dir/note"
    signed "$@"
    [ "$head" = "$(sed -n "${size}p" "$dir/leaves")" ] || say 3 "FAIL head of the seal of size $size"
  done <"$package/seals.jsonl"
  [ "$size" = "$(wc -l <"$package/headers.jsonl")" ] || say 3 "FAIL the last seal covers $size entries"
else # run package: every part is what its header commits to, every header is in the sealed tree
  jq -e '.format == "counterfoil.run/1"' "$package" >/dev/null || say 2 "not a run package"
  jq -j '.seals[-1]' "$package" >"$dir/note"
  signed "$@"
  root=$(sed -n 3p "$dir/body" | base64 -d | xxd -p -c 32) prev=$stream next=0 run=$(jq -r .run "$package")
  jq -cS '.entries[]' "$package" >"$dir/entries"
  while IFS= read -r entry; do
    printf %s "$entry" >"$dir/entry"
    node=$(leaf "$(jq -cSj .h "$dir/entry")") seq=$(jq .h.seq "$dir/entry") last=$((size - 1))
    if [ "$(jq -r '.h.run.id // ""' "$dir/entry")" = "$run" ]; then
      [ "$(jq -r '.h.run | "\(.n) \(.prev)"' "$dir/entry")" = "$next $prev" ] ||
        say 3 "FAIL run link of entry $seq"
      prev=$node next=$((next + 1)) kind=$(jq -r .h.kind "$dir/entry")
    fi
    for part in facts subject; do
      [ "$(jq -r ".p.$part.d | type" "$dir/entry")" = object ] || continue
      [ "$({ printf 'counterfoil/v1/part\n'; jq -r ".p.$part.s" "$dir/entry" | xxd -r -p
        jq -cSj ".p.$part.d" "$dir/entry"; } | sha)" = "$(jq -r ".h.parts.$part" "$dir/entry")" ] ||
        say 3 "FAIL $part of entry $seq"
    done
    [ "$seq" -le "$last" ] || say 3 "FAIL entry $seq is not under the seal"
    for hash in $(jq -r '.proof[]' "$dir/entry"); do
      hash=$(printf %s "$hash" | base64 -d | xxd -p -c 32)
      while [ "$last" -gt 0 ] && [ $((seq & 1)) -eq 0 ] && [ "$seq" -eq "$last" ]; do
        seq=$((seq / 2)) last=$((last / 2))
      done
      if [ $((seq & 1)) -eq 1 ]; then node=$(node "$hash" "$node"); else node=$(node "$node" "$hash"); fi
      seq=$((seq / 2)) last=$((last / 2))
    done
    [ "$node" = "$root" ] || say 3 "FAIL an entry is not in the sealed tree"
  done <"$dir/entries"
  [ "${kind:-}" = run.close ] || say 3 "FAIL the run is not closed"
fi
echo "OK signature, links, size and head; sealed at size $size"
