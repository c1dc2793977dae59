#!/bin/sh
# An agent that is a shell script, each step judged before it is done. It needs the counterfoil command:
#
#     COUNTERFOIL_API=https://api.example.com COUNTERFOIL_API_KEY=cfk_test_... sh agent.sh
#
# docs/runs.md explains each call. In a live project an admin or owner says once what the flow does, so that only
# what destroys waits for a person:
#
#     counterfoil flow register refunds --kind mail.send --kind refund.create:destructive
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# act KIND TARGET OPTION...
act() {
    kind=$1
    target=$2
    shift 2
    status=0
    action=$(counterfoil run propose "$run" "$kind" --target "$target" "$@" \
        --reason 'ticket 77: charged twice' --wait) || status=$?
    case $status in
        0) ;;
        5) return 0 ;; # Denied, rejected or expired: it is not done, and the record says so.
        *) exit "$status" ;; # Nothing is known of it: a key, a run that is full, a deployment that is away.
    esac
    # Here the script does it. What it did is told by reference and digest.
    printf '{"done": "%s", "to": "%s"}\n' "$kind" "$target" > "$work/receipt.json"
    counterfoil run result "$action" executed --output "memory:$action=$work/receipt.json"
    echo "$action" >> "$work/summary.txt"
}

run=$(counterfoil run start refunds --program "$0")
: > "$work/summary.txt"
act mail.send ticket-77
act refund.create invoice-1042 --amount 2900 --currency usd
counterfoil run complete "$run" --output "memory:summary=$work/summary.txt"
