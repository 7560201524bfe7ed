#!/usr/bin/env bash
# Stands in for Python: writes its words to $RECORD, one command a line, leaves the file that the command would leave
# where a script looks for it, and fails if a word matches $FAIL.
line="$(printf '%q ' "$@")"
printf '%s\n' "$line" >>"$RECORD" # in one piece, for scripts run side by side
if [ -n "${FAIL:-}" ] && [[ "$*" == *$FAIL* ]]; then exit 3; fi
words=("$@")
for ((place = 0; place < $#; place++)); do
    value="${words[place + 1]:-}"
    case "${words[place]}" in
    --run) if [ "${words[1]}" = train ]; then mkdir -p "$value" && touch "$value/model.safetensors"; fi ;;
    --output) mkdir -p "$(dirname "$value")" && touch "$value.md" ;;
    esac
done
