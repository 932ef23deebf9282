package llm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	openai "github.com/sashabaranov/go-openai"

	"github.com/autosafe/autosafe/spec"
)

// batchAPI is what batches need of an endpoint beside completions: files and
// batches. As with completions, the OpenAI client above it knows the protocol,
// and its transport puts addresses, headers and files on the wire.
type batchAPI struct {
	e   *endpoint
	api *openai.Client
}

// apiBase stands for the endpoint's address until the transport puts that in.
const apiBase = "http://endpoint.invalid"

func newBatchAPI(e *endpoint) *batchAPI {
	config := openai.DefaultConfig("") // the transport sets the key
	config.BaseURL = apiBase
	config.HTTPClient = &http.Client{Transport: &apiTransport{e.transport}, CheckRedirect: followRedirect}
	return &batchAPI{e, openai.NewClientWithConfig(config)}
}

// apiCall is one request: what the transport is to add to it, and what came
// back.
type apiCall struct {
	upload *upload // takes the place of the body
	body   []byte  // does so, too
	name   string  // of what is made, so that it is made once; may be empty
	stream bool    // a good answer is read by the caller
	alive  func()  // something goes out, or comes in

	exchange exchange
}

// upload is the form with a batch's file.
type upload struct {
	head, tail []byte
	form       string // content type
	size       int64  // of the file
	file       func() io.Reader
}

func newUpload(name string, size int64, file func() io.Reader) *upload {
	return newUploadFor(openai.PurposeBatch, name, size, file)
}

// newUploadFor is newUpload for a file that is for another purpose.
func newUploadFor(purpose openai.PurposeType, name string, size int64, file func() io.Reader) *upload {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	// Nothing can go wrong in memory.
	_ = w.WriteField("purpose", string(purpose))
	_, _ = w.CreateFormFile("file", name)
	head := bytes.Clone(b.Bytes())
	b.Reset()
	_ = w.Close()
	return &upload{head: head, tail: b.Bytes(), form: w.FormDataContentType(), size: size, file: file}
}

func (u *upload) length() int64 { return int64(len(u.head)) + u.size + int64(len(u.tail)) }

func (u *upload) body(alive func()) io.ReadCloser {
	all := io.MultiReader(bytes.NewReader(u.head), u.file(), bytes.NewReader(u.tail))
	return io.NopCloser(&livelyReader{all, alive})
}

// livelyReader tells of each piece that is read.
type livelyReader struct {
	r     io.Reader
	alive func()
}

func (l *livelyReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if n > 0 {
		l.alive()
	}
	return n, err
}

type apiCallKey struct{}

// apiTransport is transport for requests that are no completions.
type apiTransport struct{ *transport }

// RoundTrip implements http.RoundTripper.
func (t *apiTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	call, ok := req.Context().Value(apiCallKey{}).(*apiCall)
	if !ok {
		return nil, errors.New("a request outside a call")
	}
	x := &call.exchange
	x.status, x.header, x.reply = 0, nil, nil // of a redirect before
	req = req.Clone(req.Context())
	if req.Response == nil { // not a redirect
		req.URL = apiURL(t.url, req.URL)
		req.Host = ""
	}
	if !sameOrigin(req.URL, t.url) {
		return nil, fmt.Errorf("a redirect to another host: %s", req.URL.Host)
	}
	t.setHeaders(req.Header)
	if call.name != "" {
		// Spelled so that net/http does not take it for leave to send the
		// request again by itself: few endpoints keep what it promises.
		req.Header["idempotency-key"] = []string{call.name}
	}
	if call.body != nil {
		req.Header.Set("Content-Type", "application/json")
		req.ContentLength = int64(len(call.body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(call.body)), nil }
		req.Body, _ = req.GetBody() // it never fails
	}
	if u := call.upload; u != nil {
		req.Header.Set("Content-Type", u.form)
		req.Body = u.body(call.alive)
		req.ContentLength = u.length()
		req.GetBody = func() (io.ReadCloser, error) { return u.body(call.alive), nil }
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	x.status, x.header = resp.StatusCode, resp.Header
	if call.stream && resp.StatusCode < 300 {
		resp.Body = &livelyBody{livelyReader{resp.Body, call.alive}, resp.Body}
		return resp, nil
	}
	defer resp.Body.Close()
	if x.reply, err = io.ReadAll(io.LimitReader(resp.Body, maxReply+1)); err == nil && len(x.reply) > maxReply {
		err = errTooLarge
	}
	if err != nil {
		x.status = 0
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(x.reply))
	return resp, nil
}

type livelyBody struct {
	livelyReader
	io.Closer
}

// apiURL is the address of what stands beside the chat completions. A
// deployment of Azure's has no files: those are the resource's.
func apiURL(chat, asked *url.URL) *url.URL {
	u := *chat
	root := strings.TrimSuffix(u.Path, "/chat/completions")
	if dir, deployment := path.Split(root); deployment != "" && strings.HasSuffix(dir, "/openai/deployments/") {
		root = strings.TrimSuffix(dir, "/deployments/")
	}
	u.Path, u.RawPath = root+asked.Path, ""
	query := u.Query()
	for name, values := range asked.Query() {
		query[name] = values
	}
	u.RawQuery = query.Encode()
	return &u
}

// lineURL is what the lines of a batch's file call chat completions.
func lineURL(p *spec.Provider) string {
	if p.Type == spec.ProviderAzure {
		return "/chat/completions"
	}
	return string(openai.BatchEndpointChatCompletions)
}

// do makes a call that is ended when nothing has moved for the endpoint's
// timeout. err is set if the context ended.
func (a *batchAPI) do(ctx context.Context, call *apiCall, make func(context.Context) error) (*failure, error) {
	lively, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(a.e.timeout, func() { cancel(errStalled) })
	defer timer.Stop()
	call.alive = func() { timer.Reset(a.e.timeout) }
	err := make(context.WithValue(lively, apiCallKey{}, call))
	x := &call.exchange
	if x.status != 0 {
		a.e.reached.Store(true)
	}
	switch {
	case err == nil && x.status < 300:
		return nil, nil
	case ctx.Err() != nil:
		return nil, interrupted(ctx.Err())
	case errors.Is(context.Cause(lively), errStalled):
		err, x.status = errStalled, 0
	case err != nil && x.status != 0 && x.status < 300 && call.stream: // broken off on the way
		x.status = 0
		err = fmt.Errorf("%w: %w", errBroken, err)
	}
	return a.failed(x, err), nil
}

// errStalled: nothing has moved for the time that an attempt has.
var errStalled = fmt.Errorf("nothing has moved: %w", context.DeadlineExceeded)

// failed classes a call that went wrong. What is said of models there is not
// true of batches.
func (a *batchAPI) failed(x *exchange, err error) *failure {
	f := a.e.failed(x, err, nil)
	says := fmt.Sprintf(" (HTTP %d)", x.status)
	switch {
	case x.status == http.StatusRequestEntityTooLarge:
		f.err = Error{Code: CodeRejected, Fatal: true, Detail: f.err.Detail,
			Summary: a.e.name + " does not take a file as large as a batch's" + says + ": lower max_bytes of the batch block in the model block"}
	case x.status == http.StatusNotFound:
		f.err.Summary = a.e.name + " does not have that" + says
	case x.status >= 200 && x.status < 300:
		f.err.Summary = a.e.name + " gave an answer about batches that makes no sense"
	case f.err.Code == CodeRejected && x.status >= 400:
		f.err.Summary = a.e.name + " rejects a batch" + says
	}
	return f
}

// upload sends a batch's file.
func (a *batchAPI) upload(ctx context.Context, u *upload) (file openai.File, f *failure, err error) {
	f, err = a.do(ctx, &apiCall{upload: u}, func(ctx context.Context) (err error) {
		file, err = a.api.CreateFileBytes(ctx, openai.FileBytesRequest{Name: "batch.jsonl", Purpose: openai.PurposeBatch})
		if err == nil {
			err = checkID("file", file.ID)
		}
		return err
	})
	return file, f, err
}

// remove removes a file that no batch needs. If that fails, it stays.
func (a *batchAPI) remove(ctx context.Context, file string) {
	_, _ = a.do(ctx, &apiCall{}, func(ctx context.Context) error { return a.api.DeleteFile(ctx, file) })
}

// create makes a batch of a file. name is ours, which find knows it by.
func (a *batchAPI) create(ctx context.Context, name, file, url string, metadata map[string]any) (openai.Batch, *failure, error) {
	return a.one(ctx, &apiCall{name: name}, func(ctx context.Context) (openai.BatchResponse, error) {
		return a.api.CreateBatch(ctx, openai.CreateBatchRequest{
			InputFileID: file, Endpoint: openai.BatchEndpoint(url), CompletionWindow: batchWindow, Metadata: metadata,
		})
	})
}

// batchWindow is within what time a batch is to be done: the only choice that
// there is.
const batchWindow = "24h"

// retrieve asks how a batch is doing.
func (a *batchAPI) retrieve(ctx context.Context, id string) (openai.Batch, *failure, error) {
	return a.one(ctx, &apiCall{}, func(ctx context.Context) (openai.BatchResponse, error) { return a.api.RetrieveBatch(ctx, id) })
}

// cancel asks for a batch to be ended. What it has answered stays.
func (a *batchAPI) cancel(ctx context.Context, id string) (openai.Batch, *failure, error) {
	return a.one(ctx, &apiCall{}, func(ctx context.Context) (openai.BatchResponse, error) { return a.api.CancelBatch(ctx, id) })
}

func (a *batchAPI) one(ctx context.Context, call *apiCall, ask func(context.Context) (openai.BatchResponse, error)) (batch openai.Batch, f *failure, err error) {
	f, err = a.do(ctx, call, func(ctx context.Context) error {
		resp, err := ask(ctx)
		batch = resp.Batch
		if err == nil {
			err = checkID("batch", batch.ID)
		}
		return err
	})
	return batch, f, err
}

// What the list of batches is gone through by.
const (
	listPage  = 100
	listPages = 200 // at most: an endpoint may not know where its list ends
)

// find looks for a batch by our name for it, among those made since then; nil
// if there is none.
func (a *batchAPI) find(ctx context.Context, name string, since time.Time) (found *openai.Batch, f *failure, err error) {
	after, limit := "", listPage
	for range listPages {
		var page openai.ListBatchResponse
		f, err = a.do(ctx, &apiCall{}, func(ctx context.Context) (err error) {
			var from *string
			if after != "" {
				from = &after
			}
			page, err = a.api.ListBatch(ctx, from, &limit)
			return err
		})
		if f != nil || err != nil {
			return nil, f, err
		}
		last := ""
		for i, b := range page.Data {
			if b.Metadata[metaBatch] == name && checkID("batch", b.ID) == nil {
				return &page.Data[i], nil, nil
			}
			last = b.ID
		}
		if !page.HasMore || last == "" || last == after || older(page.Data, since) {
			return nil, nil, nil
		}
		after = last
	}
	return nil, nil, nil
}

// older says whether all of a page was made long before: the newest come
// first, and clocks differ.
func older(page []openai.Batch, since time.Time) bool {
	for _, b := range page {
		if b.CreatedAt == 0 || time.Unix(int64(b.CreatedAt), 0).After(since.Add(-24*time.Hour)) {
			return false
		}
	}
	return true
}

// The metadata of our batches.
const (
	metaBatch = "autosafe_batch" // our name for it
	metaAgent = "autosafe"       // the version
	metaBuild = "autosafe_build" // Options.Build
)

// content streams a file to read.
func (a *batchAPI) content(ctx context.Context, file string, read func(io.Reader) error) (*failure, error) {
	return a.do(ctx, &apiCall{stream: true}, func(ctx context.Context) error {
		body, err := a.api.GetFileContent(ctx, file)
		if err != nil {
			return err
		}
		defer body.Close()
		return read(body)
	})
}

// checkID refuses names that would change the address they are put into.
func checkID(what, id string) error {
	bad := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	}
	if id == "" || len(id) > 200 || strings.Trim(id, ".") == "" || strings.ContainsFunc(id, bad) {
		return fmt.Errorf("it has no usable id for the %s", what)
	}
	return nil
}
