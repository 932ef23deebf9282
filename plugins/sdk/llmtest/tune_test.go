package llmtest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// talk makes a request and reads its answer.
func talk(t *testing.T, method, url, form string, body io.Reader) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", form)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, out
}

func uploaded(t *testing.T, s *llmtest.Server, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.WriteField("purpose", "fine-tune"); err != nil {
		t.Fatal(err)
	}
	part, err := w.CreateFormFile("file", "train.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(part, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, file := talk(t, "POST", s.URL()+"/files", w.FormDataContentType(), &b)
	id, _ := file["id"].(string)
	return id
}

// A job runs, tells of its loss, and has a model at last; one with a wrong file
// fails and says why; one that is cancelled ends.
func TestTunes(t *testing.T) {
	s := llmtest.Start(llmtest.Options{Tunes: llmtest.TuneOptions{Plan: func(llmtest.Tune) llmtest.TunePlan {
		return llmtest.TunePlan{Polls: 1, Steps: 2}
	}}})
	defer s.Close()
	jobs := s.URL() + "/fine_tuning/jobs"
	create := func(lines string) string {
		file := uploaded(t, s, lines)
		_, job := talk(t, "POST", jobs, "application/json", strings.NewReader(`{"model":"m","training_file":"`+file+`","metadata":{"a":"b"}}`))
		id, _ := job["id"].(string)
		return id
	}
	good := create(`{"messages":[]}` + "\n")
	for _, want := range []string{"running", "succeeded"} {
		if _, job := talk(t, "GET", jobs+"/"+good, "", nil); job["status"] != want {
			t.Errorf("%v, want %s", job, want)
		}
	}
	if got := s.Tunes()[0]; got.Tuned == "" || got.Metadata["a"] != "b" || string(got.Training) != `{"messages":[]}`+"\n" {
		t.Errorf("%+v", got)
	}
	for list, n := range map[string]int{"events": 3, "checkpoints": 2} {
		if _, page := talk(t, "GET", jobs+"/"+good+"/"+list, "", nil); len(page["data"].([]any)) != n {
			t.Errorf("%s: %v", list, page)
		}
	}
	bad := create(`{"input":{}}` + "\n")
	if _, job := talk(t, "GET", jobs+"/"+bad, "", nil); job["status"] != "failed" || job["error"].(map[string]any)["code"] != "invalid_training_file" {
		t.Errorf("%v", job)
	}
	third := create(`{"messages":[]}` + "\n")
	if _, job := talk(t, "POST", jobs+"/"+third+"/cancel", "", nil); job["status"] != "cancelled" {
		t.Errorf("%v", job)
	}
	if status, _ := talk(t, "POST", jobs+"/"+third+"/cancel", "", nil); status != http.StatusBadRequest {
		t.Errorf("cancelled twice: %d", status)
	}
	if _, page := talk(t, "GET", jobs+"?limit=2", "", nil); len(page["data"].([]any)) != 2 || page["has_more"] != true {
		t.Errorf("%v", page)
	}
}
