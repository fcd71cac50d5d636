# fish completion for edgeban
function __edgeban_in
    set -l words (commandline -opc)
    test (count $words) -ge 2; and contains -- $words[2] $argv
end

complete -c edgeban -f
for row in \
    'run|the daemon, in the foreground' \
    'status|counters, tables, sources and sinks' \
    'bans|who is banned' \
    'ban|ban an address or prefix by hand' \
    'unban|lift bans' \
    'attempt|count a failure of an address' \
    'reload|read the configuration again' \
    'check|judge a configuration' \
    'filters|the built-in filters' \
    'test|what a filter makes of each line' \
    'replay|who would have been banned' \
    'help|what a command does'
    set -l pair (string split '|' -- $row)
    complete -c edgeban -n __fish_use_subcommand -a $pair[1] -d $pair[2]
end
complete -c edgeban -n '__edgeban_in run check status bans ban unban attempt reload replay' -s c -l config -r -F -d 'configuration'
complete -c edgeban -n '__edgeban_in run status bans ban unban attempt reload' -s s -l socket -r -F -d 'control socket'
complete -c edgeban -n '__edgeban_in run' -l dry-run -d 'drop nothing'
complete -c edgeban -n '__edgeban_in status bans ban unban attempt reload filters test replay' -l json -d 'JSON lines'
complete -c edgeban -n '__edgeban_in ban attempt' -l jail -x -d 'jail'
complete -c edgeban -n '__edgeban_in ban' -l for -x -a '10m 1h 1d 1w permanent' -d 'how long'
complete -c edgeban -n '__edgeban_in unban' -l all -d 'every ban'
complete -c edgeban -n '__edgeban_in test' -l filter -x -d 'built-in filter'
complete -c edgeban -n '__edgeban_in test' -l filter-file -r -F -d 'filter text'
complete -c edgeban -n '__edgeban_in test' -l rule -x -d 'one rule'
complete -c edgeban -n '__edgeban_in test' -l set -x -a 'mode=normal mode=ddos mode=extra mode=aggressive mode=auth mode=connections'
complete -c edgeban -n '__edgeban_in test replay' -F
