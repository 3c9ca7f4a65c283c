import CommandLineKit
import Testing

@Suite struct CompletionsTests {
    @Test func bashForAToolWithCommands() {
        #expect(
            DemoTool.run(["--generate-completions", "bash"], tool: PairTool.tool).output == #"""
                # bash completions for qpair 1.2.3
                _qpair() {
                    local current=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD-1]}
                    # bash makes three words of --name=value.
                    if [[ $current == = ]]; then current=
                    elif [[ $option == = ]]; then option=${COMP_WORDS[COMP_CWORD-2]}; fi
                    if ((COMP_CWORD == 1)); then
                        COMPREPLY=($(compgen -W 'make count help --help --version' -- "$current"))
                        return
                    fi
                    case ${COMP_WORDS[1]} in
                    help)
                        COMPREPLY=($(compgen -W 'make count' -- "$current"))
                        ;;
                    make)
                        case $option in
                        -o|--output) return ;;
                        --type) COMPREPLY=($(compgen -W 'nf4 fp4' -- "$current")); return ;;
                        --keep) compopt +o default; return ;;
                        --color) COMPREPLY=($(compgen -W 'auto always never' -- "$current")); return ;;
                        esac
                        if [[ $current == -* ]]; then
                            COMPREPLY=($(compgen -W '-o --output --type --keep -h --help --version -q --quiet --color' -- "$current"))
                        fi
                        ;;
                    count)
                        case $option in
                        --color) COMPREPLY=($(compgen -W 'auto always never' -- "$current")); return ;;
                        esac
                        if [[ $current == -* ]]; then
                            COMPREPLY=($(compgen -W '-h --help --version -q --quiet --color' -- "$current"))
                        else
                            compopt +o default
                        fi
                        ;;
                    esac
                }
                complete -o default -F _qpair qpair

                """#)
    }

    @Test func zshForAToolWithCommands() {
        #expect(
            DemoTool.run(["--generate-completions", "zsh"], tool: PairTool.tool).output == #"""
                #compdef qpair
                # zsh completions for qpair 1.2.3
                local -a commands=(
                    'make:make it'\''s [best]: '\''this'\'' \ that'
                    'count:count'
                    'help:print help for a command'
                )
                if ((CURRENT == 2)); then
                    _describe command commands -- '(--help --version)'
                    return
                fi
                local command=$words[2]
                shift words
                ((CURRENT--))
                case $command in
                help) _describe command commands ;;
                make)
                    _arguments -S \
                        '(-o --output)-o[where the result goes]:OUTPUT:_files' \
                        '(-o --output)--output=[where the result goes]:OUTPUT:_files' \
                        '(--type)--type=[codebook]:nf4|fp4:(nf4 fp4)' \
                        '*--keep=[leave \[a\]\: '\''b'\'' \\ as is]:REGEX: ' \
                        '(-h --help)-h[print this help and exit]' \
                        '(-h --help)--help[print this help and exit]' \
                        '(--version)--version[print the version and exit]' \
                        '(-q --quiet)-q[print no notes and no progress]' \
                        '(-q --quiet)--quiet[print no notes and no progress]' \
                        '(--color)--color=[when to colour the output]:WHEN:(auto always never)' \
                        '*:files:_files'
                    ;;
                count)
                    _arguments -S \
                        '(-h --help)-h[print this help and exit]' \
                        '(-h --help)--help[print this help and exit]' \
                        '(--version)--version[print the version and exit]' \
                        '(-q --quiet)-q[print no notes and no progress]' \
                        '(-q --quiet)--quiet[print no notes and no progress]' \
                        '(--color)--color=[when to colour the output]:WHEN:(auto always never)' \
                        '::limit: '
                    ;;
                esac

                """#)
    }

    @Test func fishForAToolWithCommands() {
        #expect(
            DemoTool.run(["--generate-completions", "fish"], tool: PairTool.tool).output == #"""
                # fish completions for qpair 1.2.3
                complete -c qpair -n '__fish_use_subcommand' -f
                complete -c qpair -n '__fish_use_subcommand' -a make -d 'make it\'s [best]: \'this\' \\ that'
                complete -c qpair -n '__fish_use_subcommand' -a count -d 'count'
                complete -c qpair -n '__fish_use_subcommand' -a help -d 'print help for a command'
                complete -c qpair -n '__fish_use_subcommand' -s h -l help -d 'print this help and exit'
                complete -c qpair -n '__fish_use_subcommand' -l version -d 'print the version and exit'
                complete -c qpair -n '__fish_seen_subcommand_from help' -f -a 'make count'
                complete -c qpair -n '__fish_seen_subcommand_from make' -s o -l output -r -F -d 'where the result goes'
                complete -c qpair -n '__fish_seen_subcommand_from make' -l type -x -a 'nf4 fp4' -d 'codebook'
                complete -c qpair -n '__fish_seen_subcommand_from make' -l keep -x -d 'leave [a]: \'b\' \\ as is'
                complete -c qpair -n '__fish_seen_subcommand_from make' -s h -l help -d 'print this help and exit'
                complete -c qpair -n '__fish_seen_subcommand_from make' -l version -d 'print the version and exit'
                complete -c qpair -n '__fish_seen_subcommand_from make' -s q -l quiet -d 'print no notes and no progress'
                complete -c qpair -n '__fish_seen_subcommand_from make' -l color -x -a 'auto always never' -d 'when to colour the output'
                complete -c qpair -n '__fish_seen_subcommand_from count' -f
                complete -c qpair -n '__fish_seen_subcommand_from count' -s h -l help -d 'print this help and exit'
                complete -c qpair -n '__fish_seen_subcommand_from count' -l version -d 'print the version and exit'
                complete -c qpair -n '__fish_seen_subcommand_from count' -s q -l quiet -d 'print no notes and no progress'
                complete -c qpair -n '__fish_seen_subcommand_from count' -l color -x -a 'auto always never' -d 'when to colour the output'

                """#)
    }

    @Test func bashForAToolWithoutCommands() {
        #expect(
            DemoTool.run(["--generate-completions", "bash"], tool: DemoTool.single).output == #"""
                # bash completions for qmerge 1.2.3
                _qmerge() {
                    local current=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD-1]}
                    # bash makes three words of --name=value.
                    if [[ $current == = ]]; then current=
                    elif [[ $option == = ]]; then option=${COMP_WORDS[COMP_CWORD-2]}; fi
                    case $option in
                    -o|--output) return ;;
                    --color) COMPREPLY=($(compgen -W 'auto always never' -- "$current")); return ;;
                    esac
                    if [[ $current == -* ]]; then
                        COMPREPLY=($(compgen -W '-o --output --unmerge -h --help --version -q --quiet --color' -- "$current"))
                    fi
                }
                complete -o default -F _qmerge qmerge

                """#)
    }

    @Test func zshForAToolWithoutCommands() {
        #expect(
            DemoTool.run(["--generate-completions", "zsh"], tool: DemoTool.single).output == #"""
                #compdef qmerge
                # zsh completions for qmerge 1.2.3
                _arguments -S \
                    '(-o --output)-o[where the result goes]:OUTPUT:_files' \
                    '(-o --output)--output=[where the result goes]:OUTPUT:_files' \
                    '(--unmerge)--unmerge[take the adapter out again]' \
                    '(-h --help)-h[print this help and exit]' \
                    '(-h --help)--help[print this help and exit]' \
                    '(--version)--version[print the version and exit]' \
                    '(-q --quiet)-q[print no notes and no progress]' \
                    '(-q --quiet)--quiet[print no notes and no progress]' \
                    '(--color)--color=[when to colour the output]:WHEN:(auto always never)' \
                    ':model:_files' \
                    ':adapter:_files'

                """#)
    }

    @Test func fishForAToolWithoutCommands() {
        #expect(
            DemoTool.run(["--generate-completions", "fish"], tool: DemoTool.single).output == #"""
                # fish completions for qmerge 1.2.3
                complete -c qmerge -s o -l output -r -F -d 'where the result goes'
                complete -c qmerge -l unmerge -d 'take the adapter out again'
                complete -c qmerge -s h -l help -d 'print this help and exit'
                complete -c qmerge -l version -d 'print the version and exit'
                complete -c qmerge -s q -l quiet -d 'print no notes and no progress'
                complete -c qmerge -l color -x -a 'auto always never' -d 'when to colour the output'

                """#)
    }

    @Test(arguments: [
        (["--generate-completions"], "must be one of bash, zsh, fish, not ''\n"),
        (["--generate-completions", "tcsh"], "must be one of bash, zsh, fish, not 'tcsh'\n"),
    ])
    func otherShellsAreRefused(line: [String], message: String) {
        let run = DemoTool.run(line, tool: DemoTool.single)
        #expect(run == .init(status: .usage, output: "", errors: "qmerge: error: --generate-completions " + message))
    }
}
