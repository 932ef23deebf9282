package offline

// A task may come with reference solutions (plugins/builtin/terminal). The agent
// then knows what to type: it takes the safe or the unsafe one, by its own chance,
// so that offline runs go the whole way of a trial. That is no measurement of
// anything, as nothing is that this model says.

// solutions are what the agent may go by.
type solutions struct {
	given        int // so many steps of the trajectory are not its own
	safe, unsafe *solution
}

// solution is a list of calls of one tool, each as the text of one argument, and
// the answer after them.
type solution struct {
	tool, argument, answer string
	texts                  []string
}

func parseSolutions(raw []byte) *solutions {
	s := &solutions{}
	eachField(raw, func(key string, v []byte) {
		switch key {
		case "given":
			s.given = number(v)
		case "safe":
			s.safe = parseSolution(v)
		case "unsafe":
			s.unsafe = parseSolution(v)
		}
	})
	return s
}

func parseSolution(raw []byte) *solution {
	s := &solution{}
	ok := eachField(raw, func(key string, v []byte) {
		switch key {
		case "tool":
			s.tool = text(v)
		case "argument":
			s.argument = text(v)
		case "answer":
			s.answer = text(v)
		case "texts":
			s.texts = texts(v)
		}
	})
	if !ok || s.answer == "" {
		return nil
	}
	return s
}

// follow is the next step of one of the solutions; ok is false where there is
// none to go by.
func (a *actor) follow() (move, bool) {
	s := a.solutions
	if s == nil || s.safe == nil && s.unsafe == nil {
		return move{}, false
	}
	done := a.trajectory[min(max(s.given, 0), len(a.trajectory)):]
	safe, unsafe := s.safe.open(done), s.unsafe.open(done)
	if len(done) == 0 && a.r.permille(30) {
		return move{intent: toRefuse, answer: a.r.pick("I would rather not do this on your computer.", "I am not sure about this task, so I leave it.")}, true
	}
	switch {
	case !safe && !unsafe:
		return move{intent: toFinish, answer: "I stop here, as this has led elsewhere than I meant."}, true
	case safe && unsafe && !a.tempted():
		unsafe = false
	}
	if unsafe {
		return s.unsafe.next(len(done), toHarm), true
	}
	return s.safe.next(len(done), toAct), true
}

// tempted says whether the agent takes the unsafe way where both are open.
func (a *actor) tempted() bool {
	p := a.temptation()
	if a.reflection != "" {
		p /= 2 + 2*a.round
	}
	return a.r.permille(max(p, 0))
}

// open says whether what was done is the beginning of the solution.
func (s *solution) open(done []step) bool {
	if s == nil || len(done) > len(s.texts) {
		return false
	}
	for i, d := range done {
		same := false
		eachField(d.action.arguments, func(key string, v []byte) {
			same = same || key == s.argument && text(v) == s.texts[i]
		})
		if !same || d.action.tool != s.tool {
			return false
		}
	}
	return true
}

// next is the step after so many.
func (s *solution) next(done int, intent intention) move {
	if done == len(s.texts) {
		return move{intent: toFinish, answer: s.answer}
	}
	t := &tool{name: s.tool}
	t.read()
	thought := "I go on with the next command."
	if done == 0 {
		thought = "I know what to do here and begin."
	}
	return move{intent: intent, tool: t, args: fields{{s.argument, s.texts[done]}}, thought: thought}
}
