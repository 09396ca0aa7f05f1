# bash completion of traffic-generator; the program itself knows what may follow.
_traffic_generator() {
    local program=${COMP_WORDS[0]/#\~/$HOME} line=${COMP_LINE:0:COMP_POINT} typed=${COMP_WORDS[COMP_CWORD]}
    local word=${line##*[[:space:]]} before='' separator value answer
    # What readline takes for the words before this one stays on the line.
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
            # Within quotes nothing has to be quoted.
            if [[ $typed != [\"\']* ]]; then
                printf -v value %q "$value"
            fi
            COMPREPLY+=("$value")
        fi
    done <<< "$answer"
}
complete -F _traffic_generator traffic-generator
