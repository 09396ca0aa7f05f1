#compdef traffic-generator
# zsh completion of traffic-generator: the program itself prints the candidates.
_traffic-generator() {
    local line value
    local -a described
    for line in "${(@f)$(${(Q)~words[1]} complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
        value=${line%%$'\t'*}
        if [[ $value == :files ]]; then
            _files
            return
        elif [[ -n $value ]]; then
            described+=("${value//:/\\:}:${line#*$'\t'}")
        fi
    done
    _describe traffic-generator described
}
if [[ $funcstack[1] == _traffic-generator ]]; then
    _traffic-generator "$@"
else
    compdef _traffic-generator traffic-generator
fi
