# A stage of mode `ack` for shells: the line protocol of Leat, version 1. Needs jq, which rewrites numbers (1.50 as 1.5).
#
#     . ./leat-stage.sh
#     work() { jq -c '{name: .name}' || return 65; }   # the body on standard input, outputs a line each
#     leat_stage work
#
# The function's status decides: 0 done; 65 a dead letter at once; 75 put off for half a minute; any other a failed attempt.
# LEAT_ID, LEAT_KEY and LEAT_ATTEMPT are those of the item.

leat_stage() {
    exec 3>&1 1>&2 # so that what else is printed is a log line, and no message
    echo '{"hello":1}' >&3
    while IFS= read -r line; do
        LEAT_ID=$(printf '%s\n' "$line" | jq -r '.id // empty')
        [ -n "$LEAT_ID" ] || continue # "hello", or "end", after which the input ends
        LEAT_KEY=$(printf '%s\n' "$line" | jq -r .key)
        LEAT_ATTEMPT=$(printf '%s\n' "$line" | jq -r .attempt)
        export LEAT_ID LEAT_KEY LEAT_ATTEMPT
        status=0 # and not $? afterwards, which `set -e` would not come to
        out=$(printf '%s\n' "$line" | jq -r '.body | if type == "string" then . else tojson end' | "$1" 3>&-) || status=$?
        case $status in
        0) printf '%s\n' "$out" | jq -cRn --argjson id "$LEAT_ID" \
            '{ack: [$id], out: [inputs | select(. != "")]}' >&3 ;;
        65) echo "{\"fail\":$LEAT_ID,\"reason\":\"it was refused\",\"dead\":true}" >&3 ;;
        75) echo "{\"fail\":$LEAT_ID,\"reason\":\"it is to come back\",\"postpone\":30}" >&3 ;;
        *) echo "{\"fail\":$LEAT_ID,\"reason\":\"the function ended with status $status\"}" >&3 ;;
        esac
    done
}
