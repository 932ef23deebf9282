package llmtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// deskClient talks to a server's files and batches.
type deskClient struct {
	t *testing.T
	s *Server
}

func (d deskClient) do(method, path, form string, body io.Reader) (int, []byte) {
	d.t.Helper()
	req, err := http.NewRequest(method, d.s.URL()+path, body)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", form)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, text
}

func (d deskClient) object(method, path, form string, body io.Reader) (int, map[string]any) {
	d.t.Helper()
	status, text := d.do(method, path, form, body)
	var out map[string]any
	_ = json.Unmarshal(text, &out) // what is no object stays nil
	return status, out
}

func (d deskClient) upload(lines ...string) string {
	d.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("purpose", "batch")
	f, _ := w.CreateFormFile("file", "x.jsonl")
	_, _ = io.WriteString(f, strings.Join(lines, "\n"))
	_ = w.Close()
	_, out := d.object("POST", "/files", w.FormDataContentType(), &b)
	id, _ := out["id"].(string)
	return id
}

func (d deskClient) create(file string) (int, map[string]any) {
	return d.object("POST", "/batches", "application/json", strings.NewReader(
		fmt.Sprintf(`{"input_file_id":%q,"endpoint":"/v1/chat/completions","completion_window":"24h","metadata":{"a":"b"}}`, file)))
}

func batchText(i int, model string) string {
	return fmt.Sprintf(`{"custom_id":"c%d","method":"POST","url":"/v1/chat/completions","body":{"model":%q,"messages":[{"role":"user","content":"%d"}]}}`, i, model, i)
}

func batchTexts(n int) (lines []string) {
	for i := range n {
		lines = append(lines, batchText(i, "m"))
	}
	return lines
}

// results are the ids in one of a batch's files, and how many of its lines are
// no results.
func (d deskClient) results(batch map[string]any, file string) (ids []string, garbage int) {
	id, ok := batch[file].(string)
	if !ok {
		return nil, 0
	}
	_, text := d.do("GET", "/files/"+id+"/content", "", nil)
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var l struct {
			ID string `json:"custom_id"`
		}
		if json.Unmarshal([]byte(line), &l) != nil {
			garbage++
			continue
		}
		ids = append(ids, l.ID)
	}
	return ids, garbage
}

func TestBatchPlans(t *testing.T) {
	tests := []struct {
		name   string
		plan   BatchPlan
		polls  int
		status string
		good   string
		bad    string
		broken int
	}{
		{"well", BatchPlan{}, 1, "completed", "[c0 c1 c2 c3]", "[]", 0},
		{"late", BatchPlan{Polls: 2}, 3, "completed", "[c0 c1 c2 c3]", "[]", 0},
		{"expired", BatchPlan{Status: "expired", Answered: 1}, 1, "expired", "[c0]", "[c1 c2 c3]", 0},
		{"failed", BatchPlan{Status: "failed", Errors: []BatchError{{Code: "x", Line: 2}}}, 1, "failed", "[]", "[]", 0},
		{"one fails", BatchPlan{Fail: func(i int, _ Request) *BatchFailure {
			if i == 2 {
				return &BatchFailure{Status: 500}
			}
			return nil
		}}, 1, "completed", "[c0 c1 c3]", "[c2]", 0},
		{"odd", BatchPlan{Reverse: true, Missing: 1, Duplicate: 1, Garbage: 2, Unasked: 1}, 1, "completed", "[c2 c1 c0 c2 nobody-asked]", "[]", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := Start(Options{Batches: BatchOptions{Plan: func(Batch) BatchPlan { return tt.plan }}})
			defer s.Close()
			d := deskClient{t, s}
			_, made := d.create(d.upload(batchTexts(4)...))
			id, _ := made["id"].(string)
			var b map[string]any
			for i := range tt.polls {
				_, b = d.object("GET", "/batches/"+id, "", nil)
				if ended := b["status"] == tt.status; ended != (i == tt.polls-1) {
					t.Errorf("poll %d: %v", i, b["status"])
				}
			}
			good, broken := d.results(b, "output_file_id")
			bad, _ := d.results(b, "error_file_id")
			if fmt.Sprint(good) != tt.good || fmt.Sprint(bad) != tt.bad || broken != tt.broken {
				t.Errorf("results %v, failures %v, %d broken", good, bad, broken)
			}
			got := s.Batches()[0]
			if got.ID != id || got.Status != tt.status || got.Polls != tt.polls || got.Metadata["a"] != "b" || !slices.Equal(got.IDs, []string{"c0", "c1", "c2", "c3"}) {
				t.Errorf("batch %+v", got)
			}
			if tt.status == "failed" && !strings.Contains(fmt.Sprint(b["errors"]), "line:2") {
				t.Errorf("errors %v", b["errors"])
			}
		})
	}
}

// What OpenAI's endpoint would not take.
func TestBatchesAreChecked(t *testing.T) {
	s := Start(Options{Batches: BatchOptions{MaxEnqueued: 5, Plan: func(Batch) BatchPlan { return BatchPlan{Polls: 99} }}})
	defer s.Close()
	d := deskClient{t, s}
	for _, tt := range []struct{ line, code string }{
		{"{", "invalid_json_line"},
		{strings.Replace(batchText(0, "m"), `"c0"`, `""`, 1), "invalid_request"},
		{batchText(9, "m"), "duplicate_custom_id"},
		{batchText(1, "other"), "mismatched_model"},
		{strings.Replace(batchText(1, "m"), "/v1/chat", "/v1/cat", 1), "invalid_url"},
	} {
		_, b := d.create(d.upload(batchText(9, "m"), tt.line))
		id, _ := b["id"].(string)
		for range 100 {
			_, b = d.object("GET", "/batches/"+id, "", nil)
		}
		if b["status"] != "failed" || !strings.Contains(fmt.Sprint(b["errors"]), tt.code) {
			t.Errorf("%s: %v", tt.code, b)
		}
	}
	if status, _ := d.create("file-none"); status != 400 {
		t.Errorf("no file: %d", status)
	}
	if status, _ := d.object("GET", "/batches/none", "", nil); status != 404 {
		t.Errorf("no batch: %d", status)
	}

	// Room for five requests: a second batch of three fails, until the first is cancelled.
	_, first := d.create(d.upload(batchTexts(3)...))
	_, second := d.create(d.upload(batchTexts(3)...))
	for range 100 {
		_, second = d.object("GET", "/batches/"+fmt.Sprint(second["id"]), "", nil)
	}
	if !strings.Contains(fmt.Sprint(second["errors"]), "token_limit_exceeded") {
		t.Errorf("second %v", second)
	}
	if status, b := d.object("POST", "/batches/"+fmt.Sprint(first["id"])+"/cancel", "", nil); status != 200 || b["status"] != "cancelling" {
		t.Errorf("cancel: %d %v", status, b)
	}
	_, list := d.object("GET", "/batches?limit=1", "", nil)
	if data, _ := list["data"].([]any); len(data) != 1 || list["has_more"] != true || data[0].(map[string]any)["id"] != second["id"] {
		t.Errorf("list %v", list)
	}
}

func TestBatchFaults(t *testing.T) {
	done := 0
	s := Start(Options{Batches: BatchOptions{Faults: []BatchFault{
		{Op: OpUpload, Nth: []int{1}, Status: 503},
		{Op: OpCreate, Nth: []int{1}, After: true, Reset: true},
		{Op: OpContent, Nth: []int{1}, Cut: true},
		{Op: OpRetrieve, Do: func() { done++ }},
	}}})
	defer s.Close()
	d := deskClient{t, s}
	if id := d.upload(batchTexts(1)...); id != "" {
		t.Errorf("uploaded as %s", id)
	}
	file := d.upload(batchTexts(1)...)
	if status, _ := d.create(file); status != 0 || len(s.Batches()) != 1 {
		t.Errorf("status %d, %d batches", status, len(s.Batches()))
	}
	_, b := d.object("GET", "/batches/"+s.Batches()[0].ID, "", nil)
	path := fmt.Sprintf("/files/%v/content", b["output_file_id"])
	if status, _ := d.do("GET", path, "", nil); status != 0 {
		t.Errorf("cut: %d", status)
	}
	if status, text := d.do("GET", path, "", nil); status != 200 || !bytes.Contains(text, []byte(`"c0"`)) {
		t.Errorf("content: %d %s", status, text)
	}
	if status, _ := d.do("DELETE", "/files/"+file, "", nil); status != 200 || s.BatchFiles() != 1 {
		t.Errorf("delete: %d, %d files", status, s.BatchFiles())
	}
	if done != 1 || s.BatchOps(OpUpload) != 2 || s.BatchOps(OpContent) != 2 {
		t.Errorf("%d polls, %d uploads, %d contents", done, s.BatchOps(OpUpload), s.BatchOps(OpContent))
	}
}
