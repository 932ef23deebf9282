package llm

import (
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer/codec"
)

// tokens counts tokens of what an endpoint did not count itself. Its
// vocabularies take 20 ms and some megabytes to load, so they are loaded at
// the first need. The zero value is ready.
type tokens struct {
	o200k, cl100k struct {
		once  sync.Once
		codec *codec.Codec
	}
}

// maxTokenPiece bounds what is counted at a time, in bytes: the work grows
// with the square of a piece that has no break in it. A cut costs at most a
// token.
const maxTokenPiece = 4 << 10

// maxTokenText bounds what is counted at all, in bytes; a longer text is taken
// to go on as it begins. No model writes as much, but an endpoint may send it.
const maxTokenText = 1 << 20

// messageTokens is what a message costs beside its text, by OpenAI's own
// account of its chat format.
const messageTokens = 3

// usage estimates what an answer used.
func (t *tokens) usage(model string, request []byte, a Answer) Usage {
	out := t.count(model, a.Content) + t.count(model, a.Refusal) + t.count(model, a.Reasoning)
	for _, c := range a.ToolCalls {
		out += t.count(model, c.Name) + t.count(model, c.Arguments) + messageTokens
	}
	return Usage{InputTokens: t.count(model, string(request)), OutputTokens: out, Estimated: true}
}

// count is the number of tokens in a text: exactly so for OpenAI's models,
// about so for others, whose vocabularies differ.
func (t *tokens) count(model, text string) int {
	if text == "" {
		return 0
	}
	if len(text) > maxTokenText {
		return int(float64(t.count(model, text[:maxTokenText])) * float64(len(text)) / maxTokenText)
	}
	c := t.codecFor(model)
	n := 0
	for len(text) > 0 {
		piece := text
		if len(piece) > maxTokenPiece {
			end := maxTokenPiece
			for end > maxTokenPiece-utf8.UTFMax && !utf8.RuneStart(piece[end]) {
				end--
			}
			piece = piece[:end]
		}
		text = text[len(piece):]
		k, err := c.Count(piece)
		if err != nil {
			k = estimate(len(piece))
		}
		n += k
	}
	return n
}

func (t *tokens) codecFor(model string) *codec.Codec {
	id := model[strings.LastIndexByte(model, '/')+1:]
	if strings.HasPrefix(id, "gpt-3.5") || strings.HasPrefix(id, "gpt-4-") || id == "gpt-4" {
		t.cl100k.once.Do(func() { t.cl100k.codec = codec.NewCl100kBase() })
		return t.cl100k.codec
	}
	t.o200k.once.Do(func() { t.o200k.codec = codec.NewO200kBase() })
	return t.o200k.codec
}
