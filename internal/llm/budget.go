package llm

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/autosafe/autosafe/spec"
)

// What a request may cost is not known before it is answered. These bound it:
// a token is at least a byte of the request, beside what the endpoint puts
// round it; a reply ends at max_tokens. Where the model sets none, a reply is
// taken to have at most assumedOutput tokens, or twice those of the longest
// one that was seen: the one way in which a budget can be passed.
const (
	addedInput    = 512
	assumedOutput = 4096
)

// budget holds the cost of a client's calls to a limit. Each attempt reserves
// the most that it can cost and then pays what it did cost. Amounts are in
// nanodollars. The methods of a nil budget allow everything.
type budget struct {
	limit    int64
	onSpent  func()
	stopping <-chan struct{}
	told     sync.Once

	mu       sync.Mutex
	spent    int64
	reserved int64 // of attempts in flight; each reserves more than 0
	lost     int64 // what of spent is assumed, for answers that got lost
	over     bool  // a call was refused
	changed  chan struct{}
	longest  map[modelID]int // largest output seen
}

type modelID struct{ endpoint, model string }

func idOf(m *spec.Model) modelID { return modelID{m.Provider.Identity(), m.ID} }

// newBudget is nil if the options set none.
func newBudget(opts Options) *budget {
	if !(opts.BudgetUSD > 0) {
		return nil
	}
	return &budget{
		limit:   int64(math.Floor(min(opts.BudgetUSD, maxUSD) * 1e9)),
		onSpent: opts.OnBudget, stopping: opts.Stopping,
		changed: make(chan struct{}), longest: map[modelID]int{},
	}
}

// grant is the right to send one request. The zero value is for requests that
// no budget counts.
type grant struct {
	budget *budget
	model  *spec.Model
	most   int64
}

// admit waits until the budget has room for a request of so many bytes. If
// what is in flight can make no room, the call is refused.
func (b *budget) admit(ctx context.Context, m *spec.Model, bytes int) (grant, error) {
	if b == nil || !m.Priced() {
		return grant{}, nil
	}
	for {
		g, changed, err := b.try(m, bytes)
		if changed == nil {
			return g, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return grant{}, interrupted(ctx.Err())
		case <-b.stopping:
			return grant{}, interrupted(errStopping)
		}
	}
}

// try gives a grant, or an error, or what closes when trying again may help.
func (b *budget) try(m *spec.Model, bytes int) (grant, <-chan struct{}, error) {
	b.mu.Lock()
	most := b.most(m, bytes)
	room := b.limit - b.spent - b.reserved
	switch {
	case !b.over && most <= room:
		b.reserved += most
		b.mu.Unlock()
		return grant{b, m, most}, nil, nil
	case !b.over && b.reserved > 0:
		changed := b.changed
		b.mu.Unlock()
		return grant{}, changed, nil
	}
	b.over = true
	err := b.refusal(most)
	b.mu.Unlock()
	// Who is refused may count on it that OnBudget has returned.
	b.told.Do(func() {
		if b.onSpent != nil {
			b.onSpent()
		}
	})
	return grant{}, nil, err
}

func (b *budget) refusal(most int64) *Error {
	text := fmt.Sprintf("%s of %s US dollars are spent, and the next call may cost up to %s", dollars(b.spent-b.lost), dollars(b.limit), dollars(most))
	if b.lost > 0 {
		text += fmt.Sprintf("; up to %s more may have been charged for answers that were lost on the way", dollars(b.lost))
	}
	return &Error{Code: CodeBudget, Transient: true, Summary: "the budget is used up", Detail: text}
}

func dollars(nano int64) string {
	s := fmt.Sprintf("%.6f", float64(nano)/1e9)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// most is the upper bound of what a request of so many bytes costs.
func (b *budget) most(m *spec.Model, bytes int) int64 {
	output := m.MaxTokens
	if output <= 0 {
		output = max(assumedOutput, 2*b.longest[idOf(m)])
	}
	usd := CostUSD(m, Usage{InputTokens: bytes + addedInput, OutputTokens: output})
	return max(1, int64(math.Ceil(min(usd, maxUSD)*1e9)))
}

// learn notes how long a reply was.
func (b *budget) learn(m *spec.Model, u Usage) {
	if b == nil || !m.Priced() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.longest[idOf(m)] = max(b.longest[idOf(m)], u.OutputTokens)
}

// answered pays for an answer and gives back what was reserved beyond it.
func (g grant) answered(u Usage) {
	if g.budget == nil {
		return
	}
	g.budget.learn(g.model, u)
	g.settle(nanoUSD(CostUSD(g.model, u)), false)
}

// unanswered gives the reservation back. A request whose answer was lost may
// have been charged for, and counts with all that it could cost.
func (g grant) unanswered(lost bool) {
	switch {
	case g.budget == nil:
	case lost:
		g.settle(g.most, true)
	default:
		g.settle(0, false)
	}
}

func (g grant) settle(cost int64, lost bool) {
	b := g.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reserved -= g.most
	b.spent = min(b.spent+cost, nanoUSD(maxUSD))
	if lost {
		b.lost += cost
	}
	close(b.changed)
	b.changed = make(chan struct{})
}
