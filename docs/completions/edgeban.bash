# bash completion for edgeban
_edgeban() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd=${COMP_WORDS[1]}
	local words=
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		words='run status bans ban unban attempt reload check filters test replay help --help --version'
	else
		case $prev in
		-c | --config | -s | --socket | --filter-file)
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
			;;
		--for)
			mapfile -t COMPREPLY < <(compgen -W '10m 1h 1d 1w permanent' -- "$cur")
			return
			;;
		--filter)
			mapfile -t COMPREPLY < <(compgen -W "$(edgeban filters 2>/dev/null | sed '1d;s/ .*//')" -- "$cur")
			return
			;;
		--rule | --jail) return ;;
		--set)
			mapfile -t COMPREPLY < <(compgen -W 'mode=normal mode=ddos mode=extra mode=aggressive mode=auth mode=connections' -- "$cur")
			return
			;;
		esac
		case $cmd in
		run) words='--config --socket --dry-run' ;;
		status | bans | reload) words='--json --config --socket' ;;
		ban) words='--jail --for --json --config --socket' ;;
		unban) words='--all --json --config --socket' ;;
		attempt) words='--jail --json --config --socket' ;;
		check) words='--config' ;;
		filters) words='--json' ;;
		help) words='run status bans ban unban attempt reload check filters test replay' ;;
		test) words='--filter --filter-file --rule --set --json' ;;
		replay) words='--config --json' ;;
		esac
		case $cmd:$cur in
		test:-* | replay:-*) ;;
		test:* | replay:*)
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
			;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _edgeban edgeban
