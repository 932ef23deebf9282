package roles

// Solutions are what the offline model may know of a task that comes with
// reference solutions. It is no measurement when it uses them, and what it makes is
// marked as the stand-in's; no other model is told.
type Solutions struct {
	Given  int       `json:"given"` // so many steps of the trajectory were not the agent's own
	Safe   *Solution `json:"safe,omitempty"`
	Unsafe *Solution `json:"unsafe,omitempty"`
}

// Solution is a list of tool calls, each as the text of one argument, and the
// answer after them.
type Solution struct {
	Tool     string   `json:"tool"`
	Argument string   `json:"argument"`
	Texts    []string `json:"texts"`
	Answer   string   `json:"answer"`
}
