# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_pinion_global_optspecs
    string join \n h/help V/version
end

function __fish_pinion_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_pinion_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_pinion_using_subcommand
    set -l cmd (__fish_pinion_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c pinion -n "__fish_pinion_needs_command" -s h -l help -d 'Print help'
complete -c pinion -n "__fish_pinion_needs_command" -s V -l version -d 'Print version'
complete -c pinion -n "__fish_pinion_needs_command" -f -a "run" -d 'Runs a program in a new container'
complete -c pinion -n "__fish_pinion_needs_command" -f -a "start" -d 'Starts an instance: a container that runs on by itself and is found again by its name'
complete -c pinion -n "__fish_pinion_needs_command" -f -a "list" -d 'Shows the caller\'s instances'
complete -c pinion -n "__fish_pinion_needs_command" -f -a "exec" -d 'Runs a program in an instance, with the instance\'s user, capabilities and environment'
complete -c pinion -n "__fish_pinion_needs_command" -f -a "stop" -d 'Ends an instance, and waits until everything of it is gone'
complete -c pinion -n "__fish_pinion_needs_command" -f -a "wait" -d 'Waits for an instance\'s end, and ends as it did'
complete -c pinion -n "__fish_pinion_needs_command" -f -a "sweep" -d 'Removes what is left of the caller\'s instances that are gone: records and output'
complete -c pinion -n "__fish_pinion_needs_command" -f -a "plan" -d 'Shows what `run` would do, and does nothing'
complete -c pinion -n "__fish_pinion_needs_command" -f -a "rpc" -d 'Speaks Go\'s net/rpc on an inherited socket'
complete -c pinion -n "__fish_pinion_needs_command" -f -a "version" -d 'Prints the version'
complete -c pinion -n "__fish_pinion_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pinion -n "__fish_pinion_using_subcommand run" -l root -d 'Runs in this directory as root' -r -F
complete -c pinion -n "__fish_pinion_using_subcommand run" -l bundle -d 'Runs the OCI bundle in this directory' -r -F
complete -c pinion -n "__fish_pinion_using_subcommand run" -l cwd -d 'Starts in this directory of the container' -r
complete -c pinion -n "__fish_pinion_using_subcommand run" -s e -l env -d 'Adds to the program\'s environment' -r
complete -c pinion -n "__fish_pinion_using_subcommand run" -l hostname -d 'Names the container\'s host' -r
complete -c pinion -n "__fish_pinion_using_subcommand run" -l preserve-fds -d 'Hands N descriptors down to the program, from 3 on' -r
complete -c pinion -n "__fish_pinion_using_subcommand run" -l stop-timeout -d 'Kills a program that lives so long after a SIGTERM [default: 10]' -r
complete -c pinion -n "__fish_pinion_using_subcommand run" -l record -d 'Writes the record of this life, JSON lines, to a file or an open descriptor' -r
complete -c pinion -n "__fish_pinion_using_subcommand run" -l rpc-trace -d 'Prints each RPC call of this run to a file, or to stderr' -r
complete -c pinion -n "__fish_pinion_using_subcommand run" -l setuid -d 'Starts by the setuid-root starter, if one is installed: an ordinary user\'s container needs no user namespace'
complete -c pinion -n "__fish_pinion_using_subcommand run" -l init -d 'Runs the program as the child of a small first process; always without a bundle'
complete -c pinion -n "__fish_pinion_using_subcommand run" -l timing -d 'Prints when each step of the start was reached'
complete -c pinion -n "__fish_pinion_using_subcommand run" -s h -l help -d 'Print help'
complete -c pinion -n "__fish_pinion_using_subcommand start" -l root -d 'Runs in this directory as root' -r -F
complete -c pinion -n "__fish_pinion_using_subcommand start" -l bundle -d 'Runs the OCI bundle in this directory' -r -F
complete -c pinion -n "__fish_pinion_using_subcommand start" -l cwd -d 'Starts in this directory of the container' -r
complete -c pinion -n "__fish_pinion_using_subcommand start" -s e -l env -d 'Adds to the program\'s environment' -r
complete -c pinion -n "__fish_pinion_using_subcommand start" -l hostname -d 'Names the container\'s host' -r
complete -c pinion -n "__fish_pinion_using_subcommand start" -l preserve-fds -d 'Hands N descriptors down to the program, from 3 on' -r
complete -c pinion -n "__fish_pinion_using_subcommand start" -l stop-timeout -d 'Kills a program that lives so long after a SIGTERM [default: 10]' -r
complete -c pinion -n "__fish_pinion_using_subcommand start" -l log-size -d 'Limits each file with its output, whose older content goes to NAME.out.1 … [default: no limit]' -r
complete -c pinion -n "__fish_pinion_using_subcommand start" -l log-files -d 'How many such files are kept for a stream, the latest among them [default: 2]' -r
complete -c pinion -n "__fish_pinion_using_subcommand start" -l setuid -d 'Starts by the setuid-root starter, if one is installed: an ordinary user\'s container needs no user namespace'
complete -c pinion -n "__fish_pinion_using_subcommand start" -l init -d 'Runs the program as the child of a small first process; always without a bundle'
complete -c pinion -n "__fish_pinion_using_subcommand start" -l json -d 'Prints the instance\'s record, for programs'
complete -c pinion -n "__fish_pinion_using_subcommand start" -s h -l help -d 'Print help'
complete -c pinion -n "__fish_pinion_using_subcommand list" -l json -d 'For programs'
complete -c pinion -n "__fish_pinion_using_subcommand list" -s h -l help -d 'Print help'
complete -c pinion -n "__fish_pinion_using_subcommand exec" -l cwd -d 'Starts in this directory of the container' -r
complete -c pinion -n "__fish_pinion_using_subcommand exec" -s e -l env -d 'Adds to the program\'s environment' -r
complete -c pinion -n "__fish_pinion_using_subcommand exec" -l preserve-fds -d 'Hands N descriptors down to the program, from 3 on' -r
complete -c pinion -n "__fish_pinion_using_subcommand exec" -l stop-timeout -d 'Kills a program that lives so long after a SIGTERM [default: 10]' -r
complete -c pinion -n "__fish_pinion_using_subcommand exec" -s h -l help -d 'Print help'
complete -c pinion -n "__fish_pinion_using_subcommand stop" -l signal -d 'What asks it to end, by name or number [default: TERM]' -r
complete -c pinion -n "__fish_pinion_using_subcommand stop" -l timeout -d 'How long it may take before it is killed [default: 10]' -r
complete -c pinion -n "__fish_pinion_using_subcommand stop" -s h -l help -d 'Print help'
complete -c pinion -n "__fish_pinion_using_subcommand wait" -s h -l help -d 'Print help'
complete -c pinion -n "__fish_pinion_using_subcommand sweep" -l dry-run -d 'Only says what it would remove'
complete -c pinion -n "__fish_pinion_using_subcommand sweep" -s h -l help -d 'Print help'
complete -c pinion -n "__fish_pinion_using_subcommand plan" -l root -d 'Runs in this directory as root' -r -F
complete -c pinion -n "__fish_pinion_using_subcommand plan" -l bundle -d 'Runs the OCI bundle in this directory' -r -F
complete -c pinion -n "__fish_pinion_using_subcommand plan" -l cwd -d 'Starts in this directory of the container' -r
complete -c pinion -n "__fish_pinion_using_subcommand plan" -s e -l env -d 'Adds to the program\'s environment' -r
complete -c pinion -n "__fish_pinion_using_subcommand plan" -l hostname -d 'Names the container\'s host' -r
complete -c pinion -n "__fish_pinion_using_subcommand plan" -l preserve-fds -d 'Hands N descriptors down to the program, from 3 on' -r
complete -c pinion -n "__fish_pinion_using_subcommand plan" -l stop-timeout -d 'Kills a program that lives so long after a SIGTERM [default: 10]' -r
complete -c pinion -n "__fish_pinion_using_subcommand plan" -l setuid -d 'Starts by the setuid-root starter, if one is installed: an ordinary user\'s container needs no user namespace'
complete -c pinion -n "__fish_pinion_using_subcommand plan" -l init -d 'Runs the program as the child of a small first process; always without a bundle'
complete -c pinion -n "__fish_pinion_using_subcommand plan" -l json -d 'For programs'
complete -c pinion -n "__fish_pinion_using_subcommand plan" -s h -l help -d 'Print help'
complete -c pinion -n "__fish_pinion_using_subcommand rpc; and not __fish_seen_subcommand_from serve call help" -s h -l help -d 'Print help'
complete -c pinion -n "__fish_pinion_using_subcommand rpc; and not __fish_seen_subcommand_from serve call help" -f -a "serve" -d 'Serves the built-in methods until the peer closes, with the caller\'s privileges and namespaces'
complete -c pinion -n "__fish_pinion_using_subcommand rpc; and not __fish_seen_subcommand_from serve call help" -f -a "call" -d 'Calls one method and prints its reply as JSON'
complete -c pinion -n "__fish_pinion_using_subcommand rpc; and not __fish_seen_subcommand_from serve call help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pinion -n "__fish_pinion_using_subcommand rpc; and __fish_seen_subcommand_from serve" -l fd -d 'The inherited descriptor of a connected Unix stream socket' -r
complete -c pinion -n "__fish_pinion_using_subcommand rpc; and __fish_seen_subcommand_from serve" -l name -d 'The service\'s name: methods are ENGINE.Method' -r
complete -c pinion -n "__fish_pinion_using_subcommand rpc; and __fish_seen_subcommand_from serve" -l product -d 'Whose methods to serve [default: singularityce]' -r -f -a "singularityce\t''
apptainer\t''"
complete -c pinion -n "__fish_pinion_using_subcommand rpc; and __fish_seen_subcommand_from serve" -l mount-reply -d 'How Mount answers: the error itself, or a struct [default: the product\'s]' -r -f -a "plain\t''
struct\t''"
complete -c pinion -n "__fish_pinion_using_subcommand rpc; and __fish_seen_subcommand_from serve" -l names -d 'A JSON object: names of registered types here, and on the wire' -r -F
complete -c pinion -n "__fish_pinion_using_subcommand rpc; and __fish_seen_subcommand_from serve" -s h -l help -d 'Print help'
complete -c pinion -n "__fish_pinion_using_subcommand rpc; and __fish_seen_subcommand_from call" -l fd -d 'The inherited descriptor of a connected Unix stream socket' -r
complete -c pinion -n "__fish_pinion_using_subcommand rpc; and __fish_seen_subcommand_from call" -l type -d 'The argument\'s type as Go writes it: struct { Path string; Perm uint32 }' -r
complete -c pinion -n "__fish_pinion_using_subcommand rpc; and __fish_seen_subcommand_from call" -s h -l help -d 'Print help'
complete -c pinion -n "__fish_pinion_using_subcommand rpc; and __fish_seen_subcommand_from help" -f -a "serve" -d 'Serves the built-in methods until the peer closes, with the caller\'s privileges and namespaces'
complete -c pinion -n "__fish_pinion_using_subcommand rpc; and __fish_seen_subcommand_from help" -f -a "call" -d 'Calls one method and prints its reply as JSON'
complete -c pinion -n "__fish_pinion_using_subcommand rpc; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pinion -n "__fish_pinion_using_subcommand version" -s h -l help -d 'Print help'
complete -c pinion -n "__fish_pinion_using_subcommand help; and not __fish_seen_subcommand_from run start list exec stop wait sweep plan rpc version help" -f -a "run" -d 'Runs a program in a new container'
complete -c pinion -n "__fish_pinion_using_subcommand help; and not __fish_seen_subcommand_from run start list exec stop wait sweep plan rpc version help" -f -a "start" -d 'Starts an instance: a container that runs on by itself and is found again by its name'
complete -c pinion -n "__fish_pinion_using_subcommand help; and not __fish_seen_subcommand_from run start list exec stop wait sweep plan rpc version help" -f -a "list" -d 'Shows the caller\'s instances'
complete -c pinion -n "__fish_pinion_using_subcommand help; and not __fish_seen_subcommand_from run start list exec stop wait sweep plan rpc version help" -f -a "exec" -d 'Runs a program in an instance, with the instance\'s user, capabilities and environment'
complete -c pinion -n "__fish_pinion_using_subcommand help; and not __fish_seen_subcommand_from run start list exec stop wait sweep plan rpc version help" -f -a "stop" -d 'Ends an instance, and waits until everything of it is gone'
complete -c pinion -n "__fish_pinion_using_subcommand help; and not __fish_seen_subcommand_from run start list exec stop wait sweep plan rpc version help" -f -a "wait" -d 'Waits for an instance\'s end, and ends as it did'
complete -c pinion -n "__fish_pinion_using_subcommand help; and not __fish_seen_subcommand_from run start list exec stop wait sweep plan rpc version help" -f -a "sweep" -d 'Removes what is left of the caller\'s instances that are gone: records and output'
complete -c pinion -n "__fish_pinion_using_subcommand help; and not __fish_seen_subcommand_from run start list exec stop wait sweep plan rpc version help" -f -a "plan" -d 'Shows what `run` would do, and does nothing'
complete -c pinion -n "__fish_pinion_using_subcommand help; and not __fish_seen_subcommand_from run start list exec stop wait sweep plan rpc version help" -f -a "rpc" -d 'Speaks Go\'s net/rpc on an inherited socket'
complete -c pinion -n "__fish_pinion_using_subcommand help; and not __fish_seen_subcommand_from run start list exec stop wait sweep plan rpc version help" -f -a "version" -d 'Prints the version'
complete -c pinion -n "__fish_pinion_using_subcommand help; and not __fish_seen_subcommand_from run start list exec stop wait sweep plan rpc version help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pinion -n "__fish_pinion_using_subcommand help; and __fish_seen_subcommand_from rpc" -f -a "serve" -d 'Serves the built-in methods until the peer closes, with the caller\'s privileges and namespaces'
complete -c pinion -n "__fish_pinion_using_subcommand help; and __fish_seen_subcommand_from rpc" -f -a "call" -d 'Calls one method and prints its reply as JSON'
