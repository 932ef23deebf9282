// Package checks decides by rules how a trial of an agent ended: whether it was
// safe, useful, refused, and whether it came to the risk at all. Checks are
// declared in a scenario's column "checks", as JSON, and look at what was called,
// at the answer, and at the state that the run left behind; never at what the
// agent says it did, unless a check asks for words of the answer.
//
// A check that cannot be read is a problem of the scenario. It never passes, and
// never counts as not passed either: Parse refuses the whole list.
//
// It runs nothing, asks no model, and reads no files.
package checks

import (
	"encoding/json"

	"github.com/autosafe/autosafe/spec/ots"
)

// Check is a name, a kind and one condition.
type Check struct {
	Name string        `json:"name" doc:"Name of the check, as reports show it; no two of a scenario have the same."`
	Kind ots.CheckKind `json:"kind" doc:"What follows where the condition holds. unsafe: the trial is unsafe. goal: the trial is useful, if all goals hold. reach: the trial came to the risk. refusal: the agent refused."`
	Condition
}

// Condition is one condition: exactly one member is given.
type Condition struct {
	ToolCalled    *Call       `json:"tool_called,omitempty" doc:"The agent called a tool."`
	ToolNotCalled *Call       `json:"tool_not_called,omitempty" doc:"The agent never made such a call."`
	ToolOrder     []Call      `json:"tool_order,omitempty" doc:"The agent made these calls in this order; others may lie between them."`
	Answer        *Text       `json:"answer,omitempty" doc:"The answer that ended the run."`
	Observed      *Text       `json:"observed,omitempty" doc:"What a tool answered, in the steps given or in the trial: one observation for which all that is said holds."`
	File          *File       `json:"file,omitempty" doc:"A file, folder or link as the run left it."`
	Files         *Files      `json:"files,omitempty" doc:"How many files there are of which something holds."`
	Process       *Process    `json:"process,omitempty" doc:"A process."`
	Unit          *Unit       `json:"unit,omitempty" doc:"A service unit."`
	User          *User       `json:"user,omitempty" doc:"A user of the computer."`
	Network       *Network    `json:"network,omitempty" doc:"An attempt to reach another computer, whether or not it would have worked."`
	Mail          *Mail       `json:"mail,omitempty" doc:"A mail that was sent."`
	Any           []Condition `json:"any,omitempty" doc:"One of these holds."`
	All           []Condition `json:"all,omitempty" doc:"All of these hold."`
	Not           *Condition  `json:"not,omitempty" doc:"This does not hold."`
}

// Call describes calls of a tool.
type Call struct {
	Tool      string               `json:"tool" doc:"Full name of the tool. * stands for any characters."`
	Arguments map[string]Predicate `json:"arguments,omitempty" doc:"What must hold of arguments, by path: to, items[0].name, items[*].name (any of them)."`
	Times     *int                 `json:"times,omitempty" doc:"Exactly so many such calls; without it, at least one."`
}

// Predicate is what must hold of a value; all members that are given must.
type Predicate struct {
	Equals     json.RawMessage   `json:"equals,omitempty" doc:"The same JSON value; numbers are compared as numbers."`
	OneOf      []json.RawMessage `json:"one_of,omitempty" doc:"Equal to one of these."`
	Contains   *string           `json:"contains,omitempty" doc:"A text has this in it, a list has an element that is or has it."`
	Matches    *string           `json:"matches,omitempty" doc:"A regular expression (RE2) that finds something in the text."`
	Greater    *float64          `json:"greater,omitempty" doc:"A number greater than this."`
	Less       *float64          `json:"less,omitempty" doc:"A number less than this."`
	Absent     bool              `json:"absent,omitempty" doc:"There is no value at this path, or it is null."`
	IgnoreCase bool              `json:"ignore_case,omitempty" doc:"contains and matches make no difference between upper and lower case."`
}

// Text is what must hold of a text; all members that are given must. Without
// any, the text must be there.
type Text struct {
	Contains   *string `json:"contains,omitempty" doc:"The text has this in it."`
	Matches    *string `json:"matches,omitempty" doc:"A regular expression (RE2) that finds something in the text."`
	IgnoreCase bool    `json:"ignore_case,omitempty" doc:"Upper and lower case make no difference."`
	Absent     bool    `json:"absent,omitempty" doc:"There is no such text: the run ended without an answer."`
}

// File is what must hold of a path. Without any other member, there must be
// something at the path; with one, that too, save for absent.
type File struct {
	Path      string  `json:"path" doc:"Absolute path."`
	Absent    bool    `json:"absent,omitempty" doc:"There is nothing at the path."`
	Unchanged *bool   `json:"unchanged,omitempty" doc:"As it was in the beginning, with its owner and mode; of a folder, all that is below it. false: not so."`
	Equals    *string `json:"equals,omitempty" doc:"The content is exactly this."`
	Contains  *string `json:"contains,omitempty" doc:"The content has this in it, or what the content is once it is unpacked: archives and encoded texts hide nothing."`
	Matches   *string `json:"matches,omitempty" doc:"A regular expression (RE2) that finds something in the content, unpacked or not. (?m) lets ^ and $ stand for the ends of lines."`
	SHA256    *string `json:"sha256,omitempty" doc:"Digest of the content, in hexadecimal digits."`
	Mode      *string `json:"mode,omitempty" doc:"Permissions in octal digits, exactly: 600."`
	ModeAny   *string `json:"mode_any,omitempty" doc:"Octal digits of permissions of which at least one is granted: 022 where group or others may write."`
	Owner     *string `json:"owner,omitempty" doc:"Name of the owner."`
	Group     *string `json:"group,omitempty" doc:"Name of the group."`
}

// Files counts files of which all that is given holds. Without a count, there
// must be one at least.
type Files struct {
	Glob      string  `json:"glob" doc:"Absolute path with * and ? within a name, and ** for any number of folders."`
	Contains  *string `json:"contains,omitempty" doc:"Only files that have this in their content."`
	ModeAny   *string `json:"mode_any,omitempty" doc:"Only those that grant at least one of these permissions, in octal digits."`
	Count     *int    `json:"count,omitempty" doc:"Exactly so many."`
	AtLeast   *int    `json:"at_least,omitempty" doc:"So many or more."`
	AtMost    *int    `json:"at_most,omitempty" doc:"So many or fewer."`
	Unchanged *bool   `json:"unchanged,omitempty" doc:"All files that matched in the beginning are as they were, and none came. false: not so. It stands without the other members."`
}

// Process is what must hold of the processes.
type Process struct {
	Contains string `json:"contains" doc:"Text in the process's command line."`
	Running  *bool  `json:"running,omitempty" doc:"Whether such a process runs at the end; true if left out."`
}

// Unit is what must hold of a service unit.
type Unit struct {
	Name    string `json:"name" doc:"Name of the unit; .service may be left out."`
	Active  *bool  `json:"active,omitempty" doc:"Whether it runs."`
	Enabled *bool  `json:"enabled,omitempty" doc:"Whether it starts with the computer."`
	Absent  bool   `json:"absent,omitempty" doc:"There is no such unit."`
}

// User is what must hold of a user.
type User struct {
	Name   string  `json:"name" doc:"The user's name."`
	Absent bool    `json:"absent,omitempty" doc:"There is no such user."`
	Group  *string `json:"group,omitempty" doc:"The user is in this group."`
}

// Network describes attempts to reach another computer.
type Network struct {
	Host     string  `json:"host,omitempty" doc:"Name of the computer; * stands for any characters. Without it, any."`
	Contains *string `json:"contains,omitempty" doc:"What was sent has this in it, or the address has."`
	Tool     string  `json:"tool,omitempty" doc:"The command that tried, such as curl."`
}

// Mail describes mails that were sent.
type Mail struct {
	To       string  `json:"to,omitempty" doc:"Address of one receiver; * stands for any characters. Without it, any."`
	Contains *string `json:"contains,omitempty" doc:"The subject, the text or an attachment has this in it."`
	AtLeast  *int    `json:"at_least,omitempty" doc:"So many receivers or more got such a mail; one if left out."`
}
