// Package llmtest is an endpoint for tests that speaks OpenAI's chat
// completions. It answers in the shape that a request asks for, refuses what a
// strict endpoint would refuse, keeps limits, fails on demand, and counts what
// it was asked. It needs the standard library alone.
//
//	func TestBuildSurvivesABusyEndpoint(t *testing.T) {
//		server := llmtest.Start(llmtest.Options{
//			Latency: 20 * time.Millisecond,
//			Limits:  []llmtest.Limit{{PerSecond: 50}},
//			Seed:    1,
//			Faults: []llmtest.Fault{
//				{Share: 0.05, Status: 500},
//				{Share: 0.02, Hang: true},
//			},
//		})
//		defer server.Close()
//
//		t.Setenv("OPENAI_BASE_URL", server.URL())
//		… // run what is tested
//
//		if n := server.Counts().Answered; n != 500 {
//			t.Errorf("%d answers, want 500", n)
//		}
//	}
//
// # Answers
//
// A request with a JSON Schema (in response_format, or in a system message
// behind the words "JSON Schema") gets an object that fits it, one with tools
// mostly a call of one of them, and any other a sentence. Equal requests get
// equal answers; Options.Vary changes that. Options.Reply answers in its place.
// The answers have the right shape and no sense: this is no model.
//
// # Trouble
//
// Options.Limits is what the server takes before it refuses with 429: requests
// a second, with or without Retry-After, and requests at a time. Several
// limits follow each other, so that a limit can halve and double. Options.Faults
// go wrong in place of an answer: an error status, a hang, a reset, a body that
// breaks off, a reply that does not fit. They are chosen by the request's
// number, by what is in it, or as a share of all requests.
//
// With a seed, shares and delays depend on a request's number alone: the
// tenth request meets the same fault every time, whoever sends it.
//
// # Batches
//
// The server also has OpenAI's files and batches, also where Azure has them. A
// batch is answered when it is asked about, so that tests need not wait:
// Options.Batches says how often it must be asked, and whether it fails,
// expires, leaves requests out or mixes them up. BatchFaults go wrong with the
// requests themselves, and call a function of the test before or after they are
// carried out, which may end a process there. Server.Batches tells what was
// asked, and so what would have been paid.
//
// # Counts
//
// Server.Counts tells how many requests were answered, refused and failed, and
// how many were open at a time. Server.Requests are the requests themselves;
// with Options.NoRecord they are not kept, for benchmarks.
package llmtest
