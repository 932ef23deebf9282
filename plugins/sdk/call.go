package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/spec/schema"
)

// Call is what a component has beside the row: the way to the models, and
// where chance comes from. It is for one row.
type Call struct {
	run    string
	task   *pluginpb.Task
	models completer

	once sync.Once
	rand *rand.Rand
}

// completer answers model calls: the host, or a test.
type completer interface {
	complete(ctx context.Context, req *pluginpb.CompleteRequest) (*pluginpb.CompleteResponse, error)
	tune(ctx context.Context, req *pluginpb.TuneRequest) (*pluginpb.TuneResponse, error)
}

// Sample is the index of this repetition of the row, from 0.
func (c *Call) Sample() int { return int(c.task.GetSample()) }

// Seed is derived by the host from the block's seed, the row and the sample.
func (c *Call) Seed() int64 { return c.task.GetSeed() }

// Rand is the row's own source of chance, seeded with Seed. Every use of
// chance must come from it. It is not for several goroutines at once.
func (c *Call) Rand() *rand.Rand {
	c.once.Do(func() {
		const stream = 0x6175746f73616665 // any constant will do
		c.rand = rand.New(rand.NewPCG(uint64(c.Seed()), stream))
	})
	return c.rand
}

// Row gives the columns read, as they came.
func (c *Call) Row() map[string]json.RawMessage {
	row := map[string]json.RawMessage{}
	if json.Unmarshal(c.task.GetRow(), &row) != nil {
		return map[string]json.RawMessage{}
	}
	return row
}

// Request is one call to a model.
type Request struct {
	Purpose  string // generator, agent, judge, …: for accounts and the offline model
	Messages []Message
	Tools    []Tool
	// Schema, if set, is the JSON Schema that the reply must fit; the host
	// sees to it.
	Schema     json.RawMessage
	SchemaName string
	Stop       []string
	// Repeat tells apart requests of one row that are equal and yet meant to be
	// answered anew, such as a judge's who is asked several times. 0 is the first,
	// and what a request without it is. At most MaxRepeat.
	Repeat int
	// Check says what is wrong with a reply that fits by form. The model is
	// then asked again with the reason, at most twice, before the row fails
	// as invalid_reply. The reason is read by the model.
	Check func(Reply) error
	// Facts is what the offline model may know of the case, as JSON. No other
	// model is told.
	Facts any
}

// Message is one message of a conversation.
type Message struct {
	Role       string // system, user, assistant, tool
	Content    string
	ToolCalls  []ToolCall
	ToolCallID string // of a tool message: the call it answers
	Name       string
}

// ToolCall is a call that the model made.
type ToolCall struct {
	ID, Name  string
	Arguments json.RawMessage // an object that fits the tool's parameters
}

// Tool is a function that the model may call.
type Tool struct {
	Name, Description string
	Parameters        json.RawMessage // JSON Schema of an object
}

// Reply is a model's answer.
type Reply struct {
	Content      string
	ToolCalls    []ToolCall
	FinishReason string
	Refusal      string
	Model        string // as the endpoint named it
	CallID       string // key of the call

	InputTokens, OutputTokens int
	Cached                    bool
}

// System makes a system message.
func System(text string) Message { return Message{Role: "system", Content: text} }

// User makes a user message.
func User(text string) Message { return Message{Role: "user", Content: text} }

// Assistant makes an assistant message.
func Assistant(text string) Message { return Message{Role: "assistant", Content: text} }

// ToolResult makes the answer to a tool call.
func ToolResult(id, text string) Message {
	return Message{Role: "tool", ToolCallID: id, Content: text}
}

// RepeatStride is what each Repeat adds to the number of the sample in the
// protocol and in keys. So a repeat is a sample like others there, far above any
// that a recipe asks for.
const RepeatStride = 1_000_000

// MaxRepeat is the greatest Repeat.
const MaxRepeat = 4000

// maxAgain bounds how often Check may send a reply back.
const maxAgain = 2

// Complete calls the model in a slot. An error from it, returned from the
// component's function, fails the row with the host's code.
func (c *Call) Complete(ctx context.Context, slot Model, req Request) (Reply, error) {
	messages := slices.Clone(req.Messages)
	for attempt := 0; ; attempt++ {
		reply, err := c.complete(ctx, slot, req, messages)
		if err != nil || req.Check == nil {
			return reply, err
		}
		reason := req.Check(reply)
		if reason == nil {
			return reply, nil
		}
		if final(reason) {
			return reply, reason
		}
		if attempt == maxAgain {
			return reply, Fail("invalid_reply", reason.Error())
		}
		messages = append(messages, sendBack(reply, reason)...)
	}
}

// final says that a check has decided about the row itself.
func final(err error) bool {
	var drop *dropError
	var fail *Error
	return errors.As(err, &drop) || errors.As(err, &fail)
}

// sendBack shows the model its reply and what is wrong with it. A reply's
// tool calls must each have an answer before the conversation may go on.
func sendBack(r Reply, reason error) []Message {
	out := []Message{{Role: "assistant", Content: r.Content, ToolCalls: r.ToolCalls}}
	for _, t := range r.ToolCalls {
		out = append(out, ToolResult(t.ID, "The call was not carried out."))
	}
	return append(out, User(fmt.Sprintf("That reply cannot be used: %s. Reply again, with that put right.", reason)))
}

// JSON calls the model in a slot and decodes its reply into out, a pointer.
// Without a schema in the request, one is made from out's type.
func (c *Call) JSON(ctx context.Context, slot Model, req Request, out any) error {
	t := reflect.TypeOf(out)
	if t == nil || t.Kind() != reflect.Pointer {
		return fmt.Errorf("the reply is decoded into a pointer, not %T", out)
	}
	if req.Schema == nil {
		req.Schema = schema.JSONSchemaOf(t)
	}
	if req.SchemaName == "" {
		req.SchemaName = "reply"
	}
	check := req.Check
	req.Check = func(r Reply) error {
		fresh := reflect.New(t.Elem()) // nothing may stay from an earlier reply
		if err := json.Unmarshal([]byte(r.Content), fresh.Interface()); err != nil {
			return fmt.Errorf("it is not the JSON that was asked for: %w", err)
		}
		reflect.ValueOf(out).Elem().Set(fresh.Elem())
		if check == nil {
			return nil
		}
		return check(r)
	}
	_, err := c.Complete(ctx, slot, req)
	return err
}

func (c *Call) complete(ctx context.Context, slot Model, req Request, messages []Message) (Reply, error) {
	if slot == "" {
		return Reply{}, Fail("no_model", "the component called a model that the recipe does not set")
	}
	if req.Repeat < 0 || req.Repeat > MaxRepeat {
		return Reply{}, Fail("bad_request", fmt.Sprintf("the request's repeat is %d; it can be from 0 to %d", req.Repeat, MaxRepeat))
	}
	m := &pluginpb.CompleteRequest{
		Run: c.run, Seq: c.task.GetSeq(), Slot: string(slot), Purpose: valid(req.Purpose),
		SchemaJson: req.Schema, SchemaName: valid(req.SchemaName),
		Sample: c.task.GetSample() + uint32(req.Repeat)*RepeatStride, Seed: c.task.GetSeed(),
	}
	for _, stop := range req.Stop {
		m.Stop = append(m.Stop, valid(stop))
	}
	for _, msg := range messages {
		m.Messages = append(m.Messages, &pluginpb.Message{
			Role: valid(msg.Role), Content: valid(msg.Content), ToolCalls: fromToolCalls(msg.ToolCalls),
			ToolCallId: valid(msg.ToolCallID), Name: valid(msg.Name),
		})
	}
	for _, t := range req.Tools {
		m.Tools = append(m.Tools, &pluginpb.Tool{Name: valid(t.Name), Description: valid(t.Description), ParametersJson: t.Parameters})
	}
	if req.Facts != nil {
		facts, err := json.Marshal(req.Facts)
		if err != nil {
			return Reply{}, fmt.Errorf("facts: %w", err)
		}
		m.FactsJson = facts
	}
	r, err := c.models.complete(ctx, m)
	if err != nil {
		return Reply{}, err
	}
	if e := r.GetError(); e != nil {
		return Reply{}, &Error{Code: e.GetCode(), Summary: e.GetSummary(), Detail: e.GetDetail(), Transient: e.GetTransient()}
	}
	return toReply(r), nil
}

func toReply(r *pluginpb.CompleteResponse) Reply {
	out := Reply{
		Content: r.GetContent(), FinishReason: r.GetFinishReason(), Refusal: r.GetRefusal(),
		Model: r.GetModel(), CallID: r.GetCall(),
		InputTokens: int(r.GetInputTokens()), OutputTokens: int(r.GetOutputTokens()), Cached: r.GetCached(),
	}
	for _, t := range r.GetToolCalls() {
		out.ToolCalls = append(out.ToolCalls, ToolCall{ID: t.GetId(), Name: t.GetName(), Arguments: t.GetArgumentsJson()})
	}
	return out
}

func fromToolCalls(list []ToolCall) []*pluginpb.ToolCall {
	var out []*pluginpb.ToolCall
	for _, t := range list {
		out = append(out, &pluginpb.ToolCall{Id: valid(t.ID), Name: valid(t.Name), ArgumentsJson: t.Arguments})
	}
	return out
}

// valid makes text fit for the wire, which takes UTF-8 alone.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
