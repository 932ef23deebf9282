package shell

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	// grace is what a child has, beyond a command's time, to end it and to answer.
	grace = 30 * time.Second
	// waitDelay is how long a killed child may take to be gone.
	waitDelay = 10 * time.Second
	maxErrors = 4 << 10
)

// Session is a machine with one shell. Its methods may be called by many at once;
// commands run one after another.
type Session struct {
	mu     sync.Mutex
	pool   *Pool
	child  *child
	limits Limits
	spent  time.Duration
	state  State
	over   bool

	closing context.Context // over once Close is called while a command runs
	abandon context.CancelFunc
}

// Pool keeps processes that sessions have left, for those that come.
type Pool struct {
	mu     sync.Mutex
	idle   []*child
	most   int
	closed bool
}

// NewPool makes a pool that keeps so many idle processes.
func NewPool(most int) *Pool { return &Pool{most: most} }

// Close ends the processes that are idle now, and those of sessions as they close.
func (p *Pool) Close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range idle {
		c.end()
	}
}

func (p *Pool) take() *child {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	c := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return c
}

func (p *Pool) give(c *child) {
	p.mu.Lock()
	keep := !p.closed && !c.busy && len(p.idle) < p.most
	if keep {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if !keep {
		c.end()
	}
}

// Start starts a session.
func (p *Pool) Start(ctx context.Context, opts Options) (*Session, error) {
	opts = opts.withDefaults()
	c := p.take()
	for {
		fresh := c == nil
		if fresh {
			var err error
			if c, err = spawn(); err != nil {
				return nil, fmt.Errorf("start the shell: %w", err)
			}
		}
		resp, err := c.ask(ctx, request{Start: &opts}, grace)
		c.settle()
		switch {
		case err == nil && resp.Error == "":
			s := &Session{pool: p, child: c, limits: opts.Limits, state: State{}.apply(resp.Delta)}
			s.closing, s.abandon = context.WithCancel(context.Background())
			return s, nil
		case err == nil:
			c.end()
			return nil, fmt.Errorf("start the shell: %s", resp.Error)
		}
		c.end()
		if fresh || ctx.Err() != nil {
			return nil, fmt.Errorf("start the shell: %w", errors.Join(ctx.Err(), err))
		}
		c = nil // it had died while it was idle
	}
}

// Run runs a command line in the session's shell, which keeps its folder and its
// variables from one to the next. An error is about the session; a command that
// fails or meets a limit is a result. If the context ends, so does the session.
func (s *Session) Run(ctx context.Context, command string) (Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return Result{}, ErrOver
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	limit := min(s.limits.Command, s.limits.Session-s.spent)
	if limit <= 0 {
		s.finish()
		return Result{ExitCode: 124, Ended: EndTimeout}, nil
	}
	began := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	resp, err := s.child.ask(ctx, request{Run: &command, Millis: max(limit.Milliseconds(), 1)}, limit+grace)
	s.spent += time.Since(began)
	if err != nil {
		end := s.child.end()
		s.child = nil
		s.finish()
		if s.closing.Err() != nil {
			return Result{}, ErrOver
		}
		if ctx.Err() != nil {
			return Result{}, ctx.Err()
		}
		return Result{Output: "Killed\n", ExitCode: 137, Ended: end}, nil
	}
	if resp.Error != "" {
		return Result{}, errors.New(resp.Error)
	}
	s.child.busy = s.child.busy || resp.Busy
	s.state = s.state.apply(resp.Delta)
	return resp.Result, nil
}

// State tells what there is now, or was after the last command that ended by
// itself if the session is over. It is shared: change nothing in it.
func (s *Session) State(ctx context.Context) (State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, ctx.Err()
}

// Snapshot is State; Restore goes back to it.
func (s *Session) Snapshot(ctx context.Context) (State, error) { return s.State(ctx) }

// Restore makes files, processes, units and clock what they were, and begins a new
// shell in the folder of then.
func (s *Session) Restore(ctx context.Context, to State) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return ErrOver
	}
	resp, err := s.child.ask(ctx, request{Restore: &to}, grace)
	if err != nil {
		s.finish()
		return fmt.Errorf("restore the shell: %w", errors.Join(ctx.Err(), err))
	}
	if resp.Error != "" {
		return fmt.Errorf("restore the shell: %s", resp.Error)
	}
	s.state = State{}.apply(resp.Delta)
	return nil
}

// Over says whether the session can run no more commands.
func (s *Session) Over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// Close ends the session, and a command that runs. State still tells what there
// was.
func (s *Session) Close() error {
	if !s.mu.TryLock() {
		s.abandon()
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	s.abandon()
	if s.child != nil && !s.over {
		s.pool.give(s.child)
		s.child = nil
	}
	s.finish()
	return nil
}

// finish gives up a session that can go on no more.
func (s *Session) finish() {
	s.over = true
	if s.child != nil {
		s.child.end()
		s.child = nil
	}
}

// child is a process of sessions.
type child struct {
	cmd    *exec.Cmd
	in     *os.File
	out    *os.File
	errors errorText
	dir    string // an empty folder, until it is settled
	busy   bool
	late   bool // it did not answer in time
}

// spawn starts this program once more, with nothing but two pipes and an empty
// folder.
func spawn() (*child, error) {
	if Serves(os.Args[1:]) { // a test's program without a TestMain would start itself for ever
		return nil, errors.New("the program does not become a shell: its main, or TestMain, must call shell.Serve")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{}
	if c.dir, err = os.MkdirTemp("", "autosafe-shell-"); err != nil {
		return nil, err
	}
	theirIn, ourIn, err := os.Pipe()
	if err != nil {
		os.Remove(c.dir)
		return nil, err
	}
	defer theirIn.Close()
	ourOut, theirOut, err := os.Pipe()
	if err != nil {
		ourIn.Close()
		os.Remove(c.dir)
		return nil, err
	}
	defer theirOut.Close()
	c.in, c.out = ourIn, ourOut
	c.cmd = exec.Command(self, Argument)
	c.cmd.Env = []string{}
	c.cmd.Dir = c.dir
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = theirIn, theirOut, &c.errors
	c.cmd.WaitDelay = waitDelay
	if err := c.cmd.Start(); err != nil {
		ourIn.Close()
		ourOut.Close()
		os.Remove(c.dir)
		return nil, err
	}
	return c, nil
}

// settle removes the child's folder, which it is in by now: there is nothing else
// that could be found there.
func (c *child) settle() {
	if c.dir != "" {
		os.Remove(c.dir)
		c.dir = ""
	}
}

// ask sends a request and awaits its answer. Where that fails, or time is up, the
// child is of no more use.
func (c *child) ask(ctx context.Context, r request, limit time.Duration) (response, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.cmd.Process.Kill() })
	defer stop()
	var resp response
	err := send(c.in, r)
	if err == nil {
		err = receive(c.out, &resp)
	}
	if err != nil && ctx.Err() != nil {
		c.late = true
	}
	return resp, err
}

// end kills the child, unless it is dead, and says how it had come to its end.
func (c *child) end() string {
	c.in.Close()
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
	c.out.Close()
	c.settle()
	text := c.errors.String()
	switch code := c.cmd.ProcessState.ExitCode(); {
	case c.late:
		return EndTimeout
	case code == -1, code == exitMemory, // -1: the system killed it
		strings.Contains(text, "out of memory"), strings.Contains(text, "stack exceeds"), strings.Contains(text, "cannot allocate"):
		return EndMemory
	}
	return EndCrash
}

// errorText keeps the beginning of what a child complains of.
type errorText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (e *errorText) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.text.Write(p[:min(len(p), max(maxErrors-e.text.Len(), 0))])
	return len(p), nil
}

func (e *errorText) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.String()
}
