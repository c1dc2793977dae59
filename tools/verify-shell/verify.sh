#!/bin/sh
# Checks a full export in folder form, or a run package, with tools that every auditor has: each part is
# what its header commits to, nothing is missing or added, and the headers are what the keys have sealed
# (docs/evidence-format.md, sections 2 to 4 and 7 to 12). Slow: for one run or a small export.
# It checks less than `counterfoil verify`; docs/verify-by-hand.md, section 6, lists what is missing.
#   verify.sh PACKAGE STREAM_ID KEY.pem...      exit status 0 good, 3 bad, 2 not decided
set -euf
export LC_ALL=C
verdict=
say() { verdict=$1; printf '%s\n' "$2"; exit "$1"; }
[ $# -ge 3 ] || say 2 "usage: verify.sh PACKAGE STREAM_ID KEY.pem..."
for tool in openssl jq awk xxd base64 sha256sum cmp; do
  command -v "$tool" >/dev/null || say 2 "install $tool (Debian: apt install openssl jq xxd, and any awk)"
done
package=$1 stream=$2 dir=$(mktemp -d)
shift 2
trap 'rm -rf "$dir"; [ -n "$verdict" ] || { echo "not decided: a tool failed"; exit 2; }' EXIT
trap 'exit 2' INT TERM
[ -r "$package" ] || say 2 "cannot read the package: $package"
for key; do
  openssl pkey -pubin -in "$key" -noout 2>"$dir/out" || say 2 "cannot read a public key in PEM form: $key"
done

sha() { sha256sum | cut -c1-64; }
leaf() { { printf '\000'; printf %s "$1"; } | sha; }
node() { printf '01%s%s' "$1" "$2" | xxd -r -p | sha; }
canonical() { # FILE: jq writes the same bytes, so no key is there twice and no number is rounded
  jq -cS 'def int: if . == floor and fabs <= 9007199254740991 then . + 0 else error("no integer") end;
    def all: if type == "object" then map_values(all) elif type == "array" then map(all)
      elif type == "number" then int else . end; all' "$1" 2>"$dir/out" | cmp -s - "$1"
}
demand() { what=$1 && shift && jq -e "$@" >"$dir/out" 2>&1 || say 3 "FAIL $what"; } # WHAT [-s] EXPRESSION FILE
signed() { # $dir/note: six lines, signed by a key of ours that may seal; every line of such a key is good
  sed '/^$/,$d' "$dir/note" >"$dir/body"
  origin=$(sed -n 1p "$dir/body") size=$(sed -n 2p "$dir/body") good=
  [ "$(wc -l <"$dir/body")" -eq 6 ] || say 3 "FAIL a seal has six lines"
  case $origin in */s/"$stream") ;; *) say 3 "FAIL seal of another stream: $origin" ;; esac
  sed '1,/^$/d' "$dir/note" >"$dir/lines"
  ! grep -qv '^— [^ +]* [A-Za-z0-9+/]*=*$' "$dir/lines" && [ -z "$(tail -c 1 "$dir/note")" ] ||
    say 3 "FAIL a line of a seal is no signature"
  for key; do
    hash=$(openssl pkey -pubin -in "$key" -outform DER | sha)
    grep -qx "$hash" "$dir/sealers" || continue
    for line in $(awk -v name="$origin" '$2 == name { print $3 }' "$dir/lines"); do
      printf %s "$line" | base64 -d >"$dir/payload"
      [ "$(xxd -p -l 4 "$dir/payload")" = "$(printf %.8s "$hash")" ] || continue
      [ "$(base64 "$dir/payload" | tr -d '\n')" = "$line" ] || say 3 "FAIL base64 of a signature"
      tail -c +5 "$dir/payload" >"$dir/sig"
      [ "$(wc -c <"$dir/sig")" -eq $((0x$(xxd -s 1 -l 1 -p "$dir/sig") + 2)) ] || say 3 "FAIL DER length"
      openssl dgst -sha256 -verify "$key" -signature "$dir/sig" "$dir/body" >"$dir/out" 2>&1 ||
        say 3 "FAIL signature of the seal of size $size"
      good=yes
    done
  done
  [ -n "$good" ] || say 3 "FAIL no signature of these keys on the seal of size $size"
  root=$(sed -n 3p "$dir/body" | base64 -d | xxd -p -c 32) at=$(sed -n 's/^at //p' "$dir/body")
  head=$(sed -n 's/^head //p' "$dir/body") prior=$(sed -n 's/^prev //p' "$dir/body")
}

# 1. Both forms become the same files: descriptor (one line without LF), headers, parts, seals.
if [ -d "$package" ]; then
  for file in descriptor.json headers.jsonl package.json parts.jsonl seals.jsonl; do
    [ -f "$package/$file" ] || say 3 "FAIL $file is not in the folder"
    [ -r "$package/$file" ] || say 2 "cannot read $package/$file"
  done
  [ "$(cd "$package" && find . ! -type d ! -path './timestamps/*' | wc -l)" -eq 5 ] || say 3 "FAIL another file in the folder"
  case $(cat "$package/package.json") in
    '{"format":"counterfoil.export/1"}') ;;
    *'"counterfoil.range/1"'*) say 2 "not decided: a range; of folders, only full exports are checked here" ;;
    *) say 3 "FAIL package.json is not that of a full export" ;;
  esac
  headers=$package/headers.jsonl parts=$package/parts.jsonl seals=$package/seals.jsonl
  for file in "$headers" "$parts" "$seals"; do canonical "$file" || say 3 "FAIL not canonical lines: $file"; done
  demand "fields of parts.jsonl" -s 'all(.[]; keys == ["d", "part", "s", "seq"] or keys == ["part", "seq", "x"])' "$parts"
  demand "fields of seals.jsonl" -s 'all(.[]; keys == ["at", "note", "size"])' "$seals"
  cp "$package/descriptor.json" "$dir/descriptor"
  link='[.seq, .prev]' before=$(printf '%064d' 0)
else
  case $(xxd -p -l 2 "$package")-$(xxd -p -s 257 -l 5 "$package") in
    1f8b-* | *-7573746172) say 2 "unpack it first: mkdir export && tar -xf $package -C export" ;;
  esac
  document=$dir/document
  awk 1 "$package" >"$document" # a final LF, if there was none
  demand "not one JSON document" -s 'length == 1 and (.[0] | type == "object")' "$document"
  case $(jq -c .format "$document") in
    '"counterfoil.run/1"') ;;
    '"counterfoil.export/1"' | '"counterfoil.range/1"') say 2 "not decided: of documents, only run packages are checked here" ;;
    *) say 3 "FAIL not a package of evidence" ;;
  esac
  canonical "$document" ||
    say 2 "not decided: not canonical JSON. Write it so, check and read only what comes out: jq -cSj . $package"
  demand "fields of the package" '(keys - ["consistency", "timestamps"]) == ["descriptor", "entries", "format", "run", "seals"]
    and all(.entries[]; keys == ["h", "p", "proof"] and all(.p[]; keys == ["d", "s"] or keys == ["x"]))' "$document"
  demand "a proof is no list of hashes" 'all(.entries[].proof; type == "array"
    and all(.[]; test("\\A[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=\\z")))' "$document"
  demand "order of the entries" '[.entries[].h.seq] | all(type == "number" and . >= 0) and . == unique' "$document"
  demand "the run does not go from run.open to run.close" '.run as $run | [.entries[].h | select(.run)]
    | first.kind == "run.open" and last.kind == "run.close" and all(.run.id == $run)' "$document"
  demand "an entry that is not of the run" '([.entries[].h | select(.run | not).kind] - ["redact", "key.rotate"]) == []' "$document"
  headers=$dir/headers parts=$dir/parts seals=$dir/seals
  jq -cSj .descriptor "$document" >"$dir/descriptor"
  jq -cS '.entries[].h' "$document" >"$headers"
  jq -cS '.entries[] | .h.seq as $seq | .p | keys[] as $part | {$seq, $part} + .[$part]' "$document" >"$parts"
  jq -cS '.seals[] | {note: .}' "$document" >"$seals"
  jq -r '.entries[].proof | join(" ")' "$document" >"$dir/proofs"
  link='.run | if . then [.n, .prev] else empty end' before=
fi

# 2. The stream is the hash of its descriptor, which names the keys that may seal; a key.rotate adds one.
[ "$({ printf 'counterfoil/v1/stream\n'; cat "$dir/descriptor"; } | sha)" = "$stream" ] ||
  say 3 "FAIL the descriptor is not that of the stream"
jq -r '.sealers[]' "$dir/descriptor" >"$dir/sealers"
jq -r --argjson at "$(jq -cs 'map(select(.kind == "key.rotate").seq)' "$headers")" \
  '.seq as $seq | select(.part == "facts" and ($at | index($seq))) | .d.add?' "$parts" >>"$dir/sealers"

# 3. Exactly the parts that the headers name are there, and each is what its header commits to.
jq -c '.seq as $seq | .parts | keys[] as $part | [$seq, $part]' "$headers" >"$dir/named"
jq -c '[.seq, .part]' "$parts" | cmp -s - "$dir/named" || say 3 "FAIL a part is missing, added or out of place"
demand "a part is neither there nor erased" -s 'all(.[]; if has("x") then .part == "subject" and (.x | type == "number")
  and .x > .seq else (.d | type == "object") and (.s | test("\\A[0-9a-f]{64}\\z")) end)' "$parts"
jq -r '.parts | keys[] as $part | .[$part]' "$headers" >"$dir/commits"
erased=0
while IFS= read -r part && IFS= read -r commit <&3; do
  printf '%s\n' "$part" >"$dir/part"
  if jq -e 'has("x")' "$dir/part" >"$dir/out"; then erased=$((erased + 1)) && continue; fi
  is=$({ printf 'counterfoil/v1/part\n'; jq -r .s "$dir/part" | xxd -r -p; jq -cSj .d "$dir/part"; } | sha)
  [ "$is" = "$commit" ] || say 3 "FAIL $(jq -r '"\(.part) of entry \(.seq)"' "$dir/part")"
done <"$parts" 3<"$dir/commits"

# 4. The links: of the stream in a full export, of the run in a run package.
prev=$stream n=0
: >"$dir/leaves"
while IFS= read -r header; do
  hash=$(leaf "$header")
  echo "$hash" >>"$dir/leaves"
  is=$(printf %s "$header" | jq -c "$link")
  [ -n "$is" ] || continue # a redact or key.rotate entry, which is not of the run
  [ "$is" = "[$n,\"$prev\"]" ] || say 3 "FAIL link of entry $(printf %s "$header" | jq .seq)"
  prev=$hash n=$((n + 1))
done <"$headers"

# 5. The seals: signatures, order, and in a full export the entry that each ends with.
size=0
while IFS= read -r seal; do
  printf %s "$seal" | jq -j .note >"$dir/note"
  signed "$@"
  [ "${before:-$prior}" = "$prior" ] || say 3 "FAIL the seal of size $size does not follow the one before"
  before=$({ cat "$dir/body"; echo; awk -v name="$origin" '$2 == name' "$dir/lines"; } | sha)
  [ ! -d "$package" ] || [ "$(printf %s "$seal" | jq -c '[.at, .size]') $head" = \
    "[$at,$size] $(sed -n "${size}p" "$dir/leaves")" ] || say 3 "FAIL size, time or head of the seal of size $size"
done <"$seals"
[ "$size" -gt 0 ] || say 3 "FAIL no seal"

# 6. All of it is under the last seal: by the number of entries, or by the inclusion proofs of section 10.
if [ -d "$package" ]; then
  [ "$size" -eq "$n" ] || say 3 "FAIL the last seal covers $size of $n entries"
else
  while IFS= read -r header && IFS= read -r proof <&3 && IFS= read -r hash <&4; do
    seq=$(printf %s "$header" | jq .seq) i=$seq last=$((size - 1))
    [ "$i" -le "$last" ] || say 3 "FAIL entry $seq is not under the seal"
    for sibling in $proof; do
      [ "$last" -gt 0 ] || say 3 "FAIL the proof of entry $seq is too long"
      sibling=$(printf %s "$sibling" | base64 -d | xxd -p -c 32)
      if [ $((i & 1)) -eq 1 ] || [ "$i" -eq "$last" ]; then
        hash=$(node "$sibling" "$hash")
        while [ $((i & 1)) -eq 0 ] && [ "$i" -ne 0 ]; do i=$((i >> 1)) last=$((last >> 1)); done
      else
        hash=$(node "$hash" "$sibling")
      fi
      i=$((i >> 1)) last=$((last >> 1))
    done
    [ "$last" -eq 0 ] && [ "$hash" = "$root" ] || say 3 "FAIL entry $seq is not in the sealed tree"
  done <"$headers" 3<"$dir/proofs" 4<"$dir/leaves"
fi
[ "$erased" -eq 0 ] || echo "$erased parts are erased; whether a redact entry says so was not checked"
say 0 "OK content, links, signatures and size; sealed at size $size"
