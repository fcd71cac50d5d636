# bash completion for edgeban
_edgeban() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd=${COMP_WORDS[1]}
	local words=
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		words='run status bans ban unban attempt reload check filters test replay --help --version'
	else
		case $prev in
		-c | --filter-file)
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
			;;
		-o)
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -d -- "$cur")
			return
			;;
		--for | --rule | --jail | --filter) return ;;
		--set)
			mapfile -t COMPREPLY < <(compgen -W 'mode=normal mode=ddos mode=extra mode=aggressive' -- "$cur")
			return
			;;
		esac
		case $cmd in
		run) words='-c --dry-run' ;;
		status | bans) words='--json' ;;
		ban) words='--jail --for' ;;
		unban) words='--all' ;;
		attempt) words='--jail' ;;
		check) words='-c' ;;
		test) words='--filter --filter-file --rule --set --json' ;;
		replay) words='-c --json' ;;
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
