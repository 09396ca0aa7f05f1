# fish completion of traffic-generator: the program itself prints the candidates.
function __traffic_generator_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    for line in (command $words[1] complete -- $words[2..] "$typed" 2>/dev/null)
        if string match -q ':files*' -- $line
            __fish_complete_path "$typed"
        else
            echo $line
        end
    end
end
complete -c traffic-generator -f -a '(__traffic_generator_complete)'
