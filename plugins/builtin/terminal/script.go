package terminal

import "strings"

// turn is one step of a script.
type turn struct {
	thought, command, output string
	line                     int
}

// script is what somebody types into a terminal, as a task's file has it:
//
//	# a thought before the command
//	$ a command
//	> its next line
//	| what it printed
//	= the answer to the user, last
//	> its next line
//
// What was printed stands in the section prefix alone.
type script struct {
	turns  []turn
	answer string
}

func parseScript(s section, outputs bool) (script, []fault) {
	var out script
	var faults []fault
	thought := ""
	var last *string // what a line with > goes on with
	for i, line := range strings.Split(strings.TrimRight(s.text, "\n"), "\n") {
		number := s.line + i
		mark, rest := line, ""
		if line != "" {
			mark, rest = line[:1], strings.TrimPrefix(line[1:], " ")
		}
		n := len(out.turns)
		switch {
		case strings.TrimSpace(line) == "":
		case out.answer != "" && mark != ">":
			faults = append(faults, faultf(number, "nothing may follow the answer"))
		case mark == "#":
			thought = strings.TrimSpace(thought + " " + rest)
		case mark == "$":
			out.turns = append(out.turns, turn{thought: thought, command: rest, line: number})
			thought, last = "", &out.turns[n].command
		case mark == "=":
			out.answer = rest
			last = &out.answer
		case mark == ">" && last != nil:
			*last += "\n" + rest
		case mark == "|" && outputs && n > 0:
			out.turns[n-1].output += rest + "\n"
			last = nil
		default:
			faults = append(faults, faultf(number, "this is no step; a line begins with # (thought), $ (command), > (next line), | (output, in prefix) or = (answer)"))
		}
	}
	for i := range out.turns {
		out.turns[i].output = strings.TrimSuffix(out.turns[i].output, "\n")
	}
	return out, faults
}
