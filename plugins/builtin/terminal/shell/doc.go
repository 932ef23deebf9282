// Package shell is the sandbox of the terminal: a real shell interpreter of bash's
// syntax, over a file system in memory and commands of our own, in a process of its
// own.
//
// Why no container and no namespaces: a trial must give the same bytes on every
// machine and a year later, so nothing of the host may take part, neither its tools
// nor its clock, process numbers, users or locale. What is not there cannot be
// reached either. It needs no privileges and nothing of the kernel, so it works in
// CI containers and on macOS; sessions start in milliseconds, and their state is
// simple to copy, restore and compare.
//
// What is not there: programs that are not among the commands (Python, compilers,
// git, kubectl, databases), a network, signals between processes, a terminal that
// asks. A task brings stand-ins: a file of its fixture in /usr/local/bin, or any
// other folder of the PATH, that is executable and a shell script is a command. It
// can leave traces in files for checks to read. What was tried and is missing is
// told by Result.Missing and State.Missing; what would have gone out to others by
// State.Contacts.
//
// The barriers, from the inside out:
//
//   - The interpreter (mvdan.cc/sh) asks handlers for all files and commands; none is
//     its own. What it does by itself with the host is rewritten in the syntax tree
//     or replaced by commands of ours before it runs: $$, $RANDOM and other numbers,
//     ~user, <( ), jobs in the background, source, type, command, test, trap, time.
//   - Jobs in the background run where they stand, in order, so that a trial has one
//     outcome. One that does not end is left to run on after a share of steps: ps
//     shows it, and nothing more comes of it.
//   - Steps, nesting, what runs at once, output, bytes and number of files are
//     limited; a limit is an end with a name. Time is limited too, but sleep costs
//     only the machine's own time.
//   - The process has no variables, no files but two pipes, an empty folder that is
//     removed once it is in it, limits of address space and of what it may write to
//     the host's files (nothing), and a watch on its memory. It ends when its parent
//     does: its input does. If it dies, the session is over, and State tells what
//     there was after the last command that ended.
//
// There is no filter of system calls: package contain, which has one, is above this
// one. What is left is a fault in Go's runtime or in the interpreter that lets a
// program run code of its own.
//
// Known differences from bash:
//
//   - Only the files 0, 1 and 2 can be redirected, and >( ) is an error.
//   - Traps know EXIT and ERR, and not of subshells. There is no PIPESTATUS.
//   - "${!array[@]}" splits keys that have blanks in them, and what alias and
//     declare -p list of arrays with names has no fixed order.
//   - ${!x}, declare -n, and arithmetic with x, give the interpreter's own $RANDOM,
//     $PPID or $$ if that is the name that x holds, and declare -p does if asked for
//     one of them. There is no FUNCNAME.
//   - Patterns know no back-references.
//   - The two sides of a pipe run at the same time, so what both say to standard
//     error, or take of $RANDOM, has no fixed order.
//
// It does not run on Windows.
package shell
