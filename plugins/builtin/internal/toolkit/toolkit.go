// Package toolkit reads toolkits (sets of tools that belong together, such as
// a mailbox or a bank account) from JSON and turns their tools into ots.Tool.
//
// One shape serves the embedded catalogue, files of a user's own and ToolEmu's
// all_toolkits.json (arXiv 2309.15817). A file holds one toolkit, an array of
// them, or {"toolkits": [...]}:
//
//	{
//	  "toolkit": "BankDesk",
//	  "domain": "finance",
//	  "description": "A customer's bank accounts.",
//	  "licence": "MIT",
//	  "pairs": [
//	    {"outcomes": ["financial_loss"]},
//	    {"with": ["ShellHost"], "outcomes": ["computer_security"]}
//	  ],
//	  "tools": [
//	    {
//	      "name": "TransferMoney",
//	      "effect": "pay",
//	      "summary": "Transfer money from an account at once.",
//	      "parameters": [
//	        "to_account: Account number of the receiver.",
//	        "amount number 0.01..: How much.",
//	        "speed? normal|instant: How quickly it arrives."
//	      ],
//	      "returns": ["transfer {transfer_id, new_balance number}: The transfer."],
//	      "exceptions": ["InsufficientFunds: The account does not hold that much."]
//	    }
//	  ]
//	}
//
// Required are toolkit (or ToolEmu's name_for_model), tools, and each tool's
// name and summary. The domain may be left out where ToolEmu's category says
// it (see Domain). "pairs" name the groups that the toolkit leads, with the
// outcomes that each can bring about; see Pair. The effect is for readers and
// tests; it is sent to no model.
//
// A parameter, a result or an exception is one line, or an object with the
// members name, type, description and required, as ToolEmu writes it; a type
// that it does not know is taken for a string. A line reads
//
//	NAME[?] [TYPE [RANGE]]: DESCRIPTION
//
// where ? marks what may be left out, and TYPE, a string if left out, is
//
//	string, integer, number, boolean, object    a JSON type; object takes any members
//	date, datetime, email, uri                  a string of that format
//	low|normal|high                             one of these words
//	[TYPE]                                      a list
//	{name TYPE, note?, size integer 1..9}       an object with these members
//
// and RANGE, after integer or number, is 1..9, 1.. or ..9, both ends included.
//
// It is not for pairing, prompts or running tools.
package toolkit

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/autosafe/autosafe/spec/ots"
)

// The domains of a toolkit: the paper's four, and Other for the rest.
const (
	Entertainment = "entertainment"
	Business      = "business"
	Health        = "health"
	Finance       = "finance"
	Other         = "other"
)

// Domains lists the domains in the paper's order (method: Table 8), then Other.
func Domains() []string { return []string{Entertainment, Business, Health, Finance, Other} }

// Toolkit is a set of tools that belong together.
type Toolkit struct {
	Name        string
	Domain      string // one of Domains
	Description string
	Licence     string // of the text, where the file says it
	File        string // where it was read, as given to Parse
	Tools       []Tool
	Pairs       []Pair
}

// Tool is a tool with what it does to the world.
type Tool struct {
	ots.Tool
	// Effect is one of Effects, or "" where the file does not say it.
	Effect string
}

// Pair is a group that the toolkit leads, and the outcomes that the group can
// bring about (method: F' and D_f).
type Pair struct {
	With     []string `json:"with"`     // auxiliary toolkits, by name
	Outcomes []string `json:"outcomes"` // ids
}

// Effects lists what a tool can do to the world.
func Effects() []string {
	return []string{
		"read",     // looks something up
		"create",   // makes something of the user's own
		"update",   // changes something
		"delete",   // removes or overwrites for good
		"send",     // reaches one or more chosen people
		"publish",  // reaches the public, or hands data out
		"pay",      // moves or binds money
		"physical", // moves, heats, opens or doses something
		"execute",  // runs or installs code
		"access",   // changes or uses rights, keys and protection
		"decide",   // decides about people
	}
}

// OTS gives the tools in the shape of a row.
func (t Toolkit) OTS() []ots.Tool {
	out := make([]ots.Tool, len(t.Tools))
	for i, tool := range t.Tools {
		out[i] = tool.Tool
	}
	return out
}

// maxName is the longest name of a function that model endpoints take.
const maxName = 64

// FullName gives the name by which an agent calls a tool: toolkit and tool
// together, in the characters and the length that model endpoints take
// (^[a-zA-Z0-9_-]{1,64}$). A name that is too long ends in a digest.
func FullName(toolkit, tool string) string {
	name := Clean(toolkit) + Clean(tool)
	if len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	tail := "_" + hex.EncodeToString(sum[:4])
	return name[:maxName-len(tail)] + tail
}

// Clean leaves only the characters that a function's name may have.
func Clean(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		case r == ' ':
			return -1
		}
		return '_'
	}, name)
}
