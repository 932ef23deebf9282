package provenance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

// CostReport is what the answers that a build rests on cost, whether it made
// the calls itself or found them in the cache. A call that several tasks share
// counts once, for the first of them in the order of the recipe.
type CostReport struct {
	Build Ref  `json:"build"`
	Total Cost `json:"total"`
	// Made is what of it the build paid itself.
	Made engine.CallCounts `json:"made"`
	// Kept is the cost of rows that reached a dataset, Lost that of the rest.
	Kept  Cost       `json:"kept"`
	Lost  Cost       `json:"lost"`
	Steps []StepCost `json:"steps"` // those with calls, in order; of a dataset, those of its outputs
	// Models are in order of cost, the dearest first.
	Models []ModelCost `json:"models"`
	// Losses are where rows were lost, the dearest first.
	Losses []LossCost `json:"losses"`
	// Prices are the dates of autosafe's price list that some models' prices
	// are from.
	Prices []string `json:"prices,omitempty"`
	// Notes say what could not be counted.
	Notes []string `json:"notes,omitempty"`
}

// Cost is what calls used and cost.
type Cost struct {
	Calls        int64   `json:"calls"`
	InputTokens  int64   `json:"input_tokens"`
	OutputTokens int64   `json:"output_tokens"`
	USD          float64 `json:"cost_usd"`
	Unpriced     int64   `json:"unpriced,omitempty"`  // calls to models without a price
	Estimated    int64   `json:"estimated,omitempty"` // calls whose endpoint did not report usage
	Gone         int64   `json:"gone,omitempty"`      // calls that are no longer in the cache
}

func (c *Cost) add(o Cost) {
	c.Calls += o.Calls
	c.InputTokens += o.InputTokens
	c.OutputTokens += o.OutputTokens
	c.USD += o.USD
	c.Unpriced += o.Unpriced
	c.Estimated += o.Estimated
	c.Gone += o.Gone
}

// StepCost is the cost of one step.
type StepCost struct {
	Address string      `json:"address"`
	Total   Cost        `json:"total"`
	Kept    Cost        `json:"kept"`
	Lost    Cost        `json:"lost"`
	Models  []ModelCost `json:"models"`
}

// ModelCost is the cost of calls to one model.
type ModelCost struct {
	Model    string `json:"model"` // the endpoint's name for it
	Endpoint string `json:"endpoint"`
	Cost
}

// LossCost is the cost of rows that were lost at one place for one reason,
// in this step and in all before it.
type LossCost struct {
	Address string `json:"address"`
	Reason  string `json:"reason"`
	Rows    int64  `json:"rows"` // that were lost there
	Cost
}

// CostOf reads the tasks and calls of a build. It holds two bytes for each row
// of the steps and 16 for each call.
func CostOf(ctx context.Context, store *cache.Store, b *Build) (*CostReport, error) {
	c := &costing{
		state: stateOf(ctx, store, b), prices: pricesOf(b), seen: map[[16]byte]bool{}, fates: map[string][]uint16{},
		places: []LossCost{{}}, byPlace: map[[2]string]uint16{}, readers: map[string][]string{}, models: map[[2]string]*ModelCost{},
		CostReport: &CostReport{Build: b.Ref(), Made: b.Calls, Steps: []StepCost{}, Models: []ModelCost{}, Losses: []LossCost{}},
	}
	for _, s := range b.Steps {
		for _, in := range s.Inputs {
			c.readers[in] = append(c.readers[in], s.Address)
		}
	}
	for i := len(b.Steps) - 1; i >= 0; i-- { // what becomes of a row is known from below
		if err := c.follow(b.Steps[i].Address); err != nil {
			return nil, err
		}
	}
	for _, s := range b.Steps {
		if err := c.step(s.Address); err != nil {
			return nil, err
		}
		if err := c.outputs(b, s.Address); err != nil {
			return nil, err
		}
	}
	c.finish(b)
	c.trainings(b)
	return c.CostReport, nil
}

// trainings tells of what was trained at endpoints, which is no call. What that
// cost stands in the record of the build that did it.
func (c *costing) trainings(b *Build) {
	for _, s := range b.Steps {
		if s.Kind != string(spec.FinetuneStep) {
			continue
		}
		t, err := c.state.output(s.Address)
		if err != nil {
			continue // nothing is known of it
		}
		rows, err := t.at(c.state.ctx, []int64{0})
		if err != nil {
			continue
		}
		tokens, _ := rows[0].Column("tokens")
		if n, err := strconv.ParseInt(string(tokens), 10, 64); err == nil && n > 0 {
			c.Notes = append(c.Notes, fmt.Sprintf("%s was trained on %d tokens; the table has calls alone.", s.Address, n))
		}
	}
}

// costing is a CostOf at work.
type costing struct {
	*CostReport
	state   *state
	prices  prices
	readers map[string][]string  // the steps that take a step's rows
	seen    map[[16]byte]bool    // calls that are counted, by the front of the key
	fates   map[string][]uint16  // of each step's rows: index into places; 0 is kept
	places  []LossCost           // where rows were lost; the first is none
	byPlace map[[2]string]uint16 // place by address and reason
	models  map[[2]string]*ModelCost
}

// maxPlaces bounds the places that are told apart; the last takes the rest.
const maxPlaces = 1<<16 - 2

// place is the index of where and why rows are lost.
func (c *costing) place(address, reason string) uint16 {
	id := [2]string{address, reason}
	if n, ok := c.byPlace[id]; ok {
		return n
	}
	if len(c.places) >= maxPlaces {
		return uint16(len(c.places) - 1)
	}
	n := uint16(len(c.places))
	c.places = append(c.places, LossCost{Address: address, Reason: reason})
	c.byPlace[id] = n
	return n
}

// follow finds what became of the rows of a step, from what became of the rows
// that the steps below it made of them. Of several fates the best counts.
func (c *costing) follow(address string) error {
	switch c.state.nodes[address].kind {
	case spec.DatasetStep, spec.EvaluationStep:
		return nil
	}
	rec, err := c.state.record(address)
	if why, ok := unreadable(err); ok {
		c.Notes = append(c.Notes, why)
		return nil
	}
	if err != nil {
		return err
	}
	if rec.Rows < 0 || rec.Rows > maxRows {
		return &GoneError{address, "its record is malformed"}
	}
	nowhere := c.place(address, "no dataset takes it")
	fates := make([]uint16, rec.Rows)
	for i := range fates {
		fates[i] = nowhere
	}
	first := true
	for _, reader := range c.readers[address] {
		err := c.through(reader, address, func(pos int64, fate uint16) {
			if pos < int64(len(fates)) && (first || fate == 0) {
				fates[pos] = fate
			}
		})
		if why, ok := unreadable(err); ok {
			c.Notes = append(c.Notes, why)
			continue
		}
		if err != nil {
			return err
		}
		first = false
	}
	c.fates[address] = fates
	return nil
}

// through gives the fate that each row of a step finds in one of its readers.
func (c *costing) through(reader, address string, tell func(pos int64, fate uint16)) error {
	from, n := int64(0), int64(0) // where the rows stand in the reader's input
	for _, in := range c.state.nodes[reader].inputs {
		rec, err := c.state.record(in)
		if err != nil {
			return err
		}
		if in == address {
			n = rec.Rows
			break
		}
		from += rec.Rows
	}
	mine := func(pos int64, fate uint16) {
		if pos >= from && pos < from+n {
			tell(pos-from, fate)
		}
	}
	switch c.state.nodes[reader].kind {
	case spec.DatasetStep, spec.EvaluationStep: // where rows are meant to go
		for pos := range n {
			tell(pos, 0)
		}
		return nil
	case spec.DistillStep:
		return c.throughDistill(reader, mine)
	}
	return c.throughTasks(reader, mine)
}

// throughDistill tells of the rows that a distill step left out, and of those
// that it passed on.
func (c *costing) throughDistill(reader string, tell func(pos int64, fate uint16)) error {
	rec, err := c.state.record(reader)
	if err != nil {
		return err
	}
	if rec.RowsIn < 0 || rec.RowsIn > maxRows {
		return &GoneError{reader, "its record is malformed"}
	}
	below := c.fates[reader]
	ops := c.state.nodes[reader].step.Distill
	lost := make([]uint16, rec.RowsIn)
	for d, err := range rec.AllDrops(c.state.store) {
		if err == nil && d.Position >= rec.RowsIn {
			err = &GoneError{reader, "its trace is of other rows"}
		}
		if err != nil {
			return err
		}
		reason := "an expression had no value"
		if d.Op > 0 && d.Op <= len(ops) {
			reason = ops[d.Op-1].reason(".")
		}
		lost[d.Position] = c.place(reader, reason)
	}
	out := 0
	for pos, place := range lost {
		if place == 0 && out < len(below) {
			place = below[out]
			out++
		}
		tell(int64(pos), place)
	}
	return nil
}

// throughTasks tells of the rows that a component took: kept if any row that
// came of one of its tasks is.
func (c *costing) throughTasks(reader string, tell func(pos int64, fate uint16)) error {
	input, best := int64(-1), uint16(0)
	done := func() {
		if input >= 0 {
			tell(input, best)
		}
	}
	err := c.state.tasks(reader, func(t taskSpot) bool {
		fate := c.fateOf(reader, t)
		if t.input != input {
			done()
			input, best = t.input, fate
		} else if fate == 0 {
			best = 0
		}
		return true
	})
	done()
	return err
}

// fateOf is what became of what a task gave.
func (c *costing) fateOf(address string, t taskSpot) uint16 {
	if t.Rows == 0 {
		return c.place(address, c.emptyReason(t))
	}
	below, fate := c.fates[address], uint16(0)
	for i := t.first; i < t.first+int64(t.Rows) && i < int64(len(below)); i++ {
		if fate = below[i]; fate == 0 {
			return 0
		}
	}
	return fate
}

// emptyReason says why a task gave no row.
func (c *costing) emptyReason(t taskSpot) string {
	task, ok, err := engine.LoadTask(c.state.store, t.Key)
	switch {
	case err != nil || !ok:
		return "failed, or its record is gone"
	case task.Err != nil:
		return "failed: " + task.Err.Code
	case task.Dropped != "":
		return task.Dropped
	}
	return "the component gave no row for it"
}

// step counts the calls of a step's tasks.
func (c *costing) step(address string) error {
	nd := c.state.nodes[address]
	if nd.kind != spec.RoleStep || c.fates[address] == nil {
		return nil
	}
	sum := StepCost{Address: address}
	models := map[[2]string]*ModelCost{}
	err := c.state.tasks(address, func(t taskSpot) bool {
		fate := c.fateOf(address, t)
		if t.Rows == 0 {
			c.places[fate].Rows++
		}
		task, ok, err := engine.LoadTask(c.state.store, t.Key)
		if err != nil || !ok {
			return true
		}
		for _, hexKey := range task.Calls {
			c.call(hexKey, fate, &sum, models)
		}
		return true
	})
	if why, ok := unreadable(err); ok {
		var gone *GoneError
		if !errors.As(err, &gone) || len(c.state.nodes[address].inputs) > 0 {
			c.Notes = append(c.Notes, why)
		}
	} else if err != nil {
		return err
	}
	if sum.Total.Calls+sum.Total.Gone > 0 {
		sum.Models = dearest(models)
		c.Steps = append(c.Steps, sum)
	}
	return nil
}

// outputs counts the calls of a dataset's outputs, whose rows are all kept.
func (c *costing) outputs(b *Build, address string) error {
	sum := StepCost{Address: address}
	models := map[[2]string]*ModelCost{}
	for _, o := range b.Outputs {
		if o.Address != address || o.Key == (cache.Digest{}) {
			continue
		}
		rec, ok, err := engine.LoadOutput(c.state.store, o.Key)
		if err != nil {
			return err
		}
		if !ok { // which has no rows to miss
			continue
		}
		for k, err := range rec.AllCalls(c.state.store) {
			if err != nil {
				c.Notes = append(c.Notes, "the calls of the output in "+o.Path+" cannot be read: "+err.Error())
				break
			}
			c.call(k.String(), 0, &sum, models)
		}
	}
	if sum.Total.Calls+sum.Total.Gone > 0 {
		sum.Models = dearest(models)
		c.Steps = append(c.Steps, sum)
	}
	return nil
}

// call counts one call, the first time that it is met.
func (c *costing) call(hexKey string, fate uint16, sum *StepCost, models map[[2]string]*ModelCost) {
	k, err := cache.ParseDigest(hexKey)
	if err != nil || c.seen[[16]byte(k[:16])] {
		return
	}
	c.seen[[16]byte(k[:16])] = true
	call, err := loadCall(c.state.store, hexKey, c.prices)
	one := Cost{Calls: 1, InputTokens: int64(call.InputTokens), OutputTokens: int64(call.OutputTokens)}
	switch {
	case err != nil || !call.Stored:
		one = Cost{Gone: 1}
	case call.CostUSD != nil:
		one.USD = *call.CostUSD
	case call.Endpoint != string(spec.ProviderOffline):
		one.Unpriced = 1
	}
	if call.Estimated {
		one.Estimated = 1
	}
	sum.Total.add(one)
	c.Total.add(one)
	if fate == 0 {
		sum.Kept.add(one)
		c.Kept.add(one)
	} else {
		sum.Lost.add(one)
		c.Lost.add(one)
		c.places[fate].add(one)
	}
	id := [2]string{call.Model, address(call.Endpoint)}
	for _, m := range []map[[2]string]*ModelCost{models, c.models} {
		if m[id] == nil {
			m[id] = &ModelCost{Model: id[0], Endpoint: id[1]}
		}
		m[id].add(one)
	}
}

// finish adds what is known only at the end.
func (c *costing) finish(b *Build) {
	for _, s := range b.Steps { // rows that distill steps left out
		fates := c.fates[s.Address]
		for _, reader := range c.readers[s.Address] {
			if c.state.nodes[reader].kind != spec.DistillStep {
				continue
			}
			for _, f := range fates {
				if f != 0 && c.places[f].Address == reader {
					c.places[f].Rows++
				}
			}
		}
	}
	for _, p := range c.places[1:] {
		if p.Rows > 0 || p.Calls > 0 {
			c.Losses = append(c.Losses, p)
		}
	}
	slices.SortStableFunc(c.Losses, func(a, b LossCost) int {
		return cmp.Or(cmp.Compare(b.USD, a.USD), cmp.Compare(b.Calls, a.Calls), cmp.Compare(b.Rows, a.Rows))
	})
	c.Models = dearest(c.models)
	for _, m := range b.Models {
		if m.Price != nil && m.Price.Listed != "" && !slices.Contains(c.Prices, m.Price.Listed) {
			c.Prices = append(c.Prices, m.Price.Listed)
		}
	}
	slices.Sort(c.Notes)
	c.Notes = slices.Compact(c.Notes)
}

// dearest are models in order of cost.
func dearest(models map[[2]string]*ModelCost) []ModelCost {
	list := make([]ModelCost, 0, len(models))
	for _, m := range models {
		list = append(list, *m)
	}
	slices.SortFunc(list, func(a, b ModelCost) int {
		return cmp.Or(cmp.Compare(b.USD, a.USD), cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Endpoint, b.Endpoint))
	})
	return list
}
