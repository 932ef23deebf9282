package llmtest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// ask sends a request and says how it went.
func ask(server *llmtest.Server, body string) string {
	resp, err := http.Post(server.URL()+"/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		return "no answer"
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "half an answer"
	}
	return resp.Status
}

const hello = `{"model":"m","messages":[{"role":"user","content":"Hello"}]}`

// An endpoint that fails at times: what the client under test did about it
// shows in the counts.
func Example() {
	server := llmtest.Start(llmtest.Options{
		Models: []string{"m"},
		Faults: []llmtest.Fault{
			{Nth: []int{2}, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "1"}},
			{Nth: []int{3}, Cut: true},
		},
	})
	defer server.Close()

	for range 4 {
		fmt.Println(ask(server, hello))
	}
	fmt.Println(ask(server, strings.Replace(hello, `"m"`, `"another"`, 1)))

	c := server.Counts()
	fmt.Println(c.Requests, "requests,", c.Answered, "answered,", c.Rejected, "rejected, faults", c.Faults)
	// Output:
	// 200 OK
	// 429 Too Many Requests
	// half an answer
	// 200 OK
	// 404 Not Found
	// 5 requests, 2 answered, 1 rejected, faults [1 1]
}

// Ten requests are taken at once, and no more within the hour.
func ExampleLimit() {
	server := llmtest.Start(llmtest.Options{
		Limits: []llmtest.Limit{{PerSecond: 1.0 / 3600, Burst: 10}},
	})
	defer server.Close()

	for range 12 {
		ask(server, hello)
	}
	c := server.Counts()
	fmt.Println(c.Answered, "answered,", c.Refused, "refused")
	// Output: 10 answered, 2 refused
}

// A share of all requests fails, the same ones each time.
func ExampleFault_share() {
	server := llmtest.Start(llmtest.Options{
		Seed: 7,
		Faults: []llmtest.Fault{
			{Share: 0.10, Status: http.StatusTooManyRequests},
			{Share: 0.05, Status: http.StatusInternalServerError},
			{Share: 0.03, Unfit: true},
		},
		NoRecord: true,
	})
	defer server.Close()

	for range 200 {
		ask(server, hello)
	}
	fmt.Println(server.Counts().Faults)
	// Output: [25 9 5]
}
