# bash completion of traffic-generator: the program itself prints the candidates.
_traffic_generator() {
    local program=${COMP_WORDS[0]/#\~/$HOME} line=${COMP_LINE:0:COMP_POINT} typed=${COMP_WORDS[COMP_CWORD]}
    local word=${line##*[[:space:]]} before='' separator value answer
    # readline replaces only the part after the last ":" or "=": candidates must not repeat what is before it.
    for separator in : =; do
        if [[ $COMP_WORDBREAKS == *"$separator"* && ${word#"$before"} == *"$separator"* ]]; then
            before=${word%"${word##*"$separator"}"}
        fi
    done
    answer=$("$program" complete --line "$line" 2>/dev/null)
    COMPREPLY=()
    while IFS=$'\t' read -r value _; do
        if [[ $value == :files ]]; then
            compopt -o default
        elif [[ -n $value ]]; then
            value=${value#"$before"}
            # Within quotes a candidate needs no escapes.
            if [[ $typed != [\"\']* ]]; then
                printf -v value %q "$value"
            fi
            COMPREPLY+=("$value")
        fi
    done <<< "$answer"
}
complete -F _traffic_generator traffic-generator
