package sdk_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/schema"
)

type rankIn struct {
	Text string `json:"text" doc:"The text."`
}

type rankOut struct {
	Rank int `json:"rank" doc:"Its place."`
}

func rank(ctx context.Context, _ struct{}, rows *sdk.Table[rankIn, rankOut]) error {
	for i, row := range rows.Rows() {
		switch row.Text {
		case "error":
			return errors.New("no more")
		case "drop":
			rows.Drop(i, "unwanted")
		case "fail":
			rows.Fail(i, sdk.Fail("bad", "as it says"))
		case "keep":
		default:
			for range strings.Count(row.Text, "x") {
				if err := rows.Write(i, rankOut{i}); err != nil {
					return err
				}
			}
		}
	}
	sdk.Progress(ctx, "ranked", len(rows.Rows()), len(rows.Rows()))
	return nil
}

func rankPlugin() sdk.Plugin {
	return testPlugin(map[string]sdk.Component{"rank": sdk.Dataset(rank, sdk.Doc("Ranks."), sdk.Deterministic())})
}

func TestDatasetComponent(t *testing.T) {
	rows := []string{`{"text":"x"}`, `{"text":"drop"}`, `{"text":1}`, `{"text":"keep"}`, `{"text":"fail"}`, `{"text":"xx"}`}
	r := sdktest.Run(t, rankPlugin(), schema.Judge, "rank", `{}`, rows, nil)
	want := []string{`{"rank":0}`, "dropped unwanted", "failed bad_row", `{}`, "failed bad", `{"rank":4} {"rank":4}`}
	for i, task := range r.Tasks {
		got := strings.Join(task.Rows, " ")
		if task.Dropped != "" {
			got = "dropped " + task.Dropped
		}
		if task.Err != nil {
			got = "failed " + task.Err.Code
		}
		if got != want[i] {
			t.Errorf("%s gives %s, want %s", rows[i], got, want[i])
		}
	}
	failed := sdktest.Run(t, rankPlugin(), schema.Judge, "rank", `{}`, []string{`{"text":"x"}`, `{"text":"error"}`}, nil)
	if failed.Failure == nil || !strings.Contains(failed.Failure.Detail, "no more") {
		t.Errorf("an error of the function gives %v", failed.Failure)
	}
	if empty := sdktest.Run(t, rankPlugin(), schema.Judge, "rank", `{}`, nil, nil); len(empty.Tasks) > 0 || empty.Failure != nil {
		t.Errorf("of no rows there come %+v", empty)
	}
	if untried := sdktest.Conformance(t, rankPlugin(), sdktest.Case{Role: schema.Judge, Component: "rank", Config: `{}`, Rows: rows}); len(untried) > 0 {
		t.Errorf("untried: %q", untried)
	}
}

// TestDatasetDescription keeps the grain over the wire, and refuses it where
// there is none.
func TestDatasetDescription(t *testing.T) {
	list, err := sdk.Describe(rankPlugin())
	if err != nil {
		t.Fatal(err)
	}
	m, err := pluginpb.FromComponent(list[0])
	if err != nil {
		t.Fatal(err)
	}
	if c, err := pluginpb.ToComponent(m); err != nil || c.Grain != schema.DatasetGrain {
		t.Errorf("the grain became %q: %v", c.Grain, err)
	}
	for _, change := range []func(*pluginpb.Component){
		func(c *pluginpb.Component) { c.Grain = "table" },
		func(c *pluginpb.Component) { c.Role = "output" },
		func(c *pluginpb.Component) {
			c.Config.Attributes = []*pluginpb.Attribute{{Name: "n", TypeJson: []byte(`"number"`), Kind: "samples"}}
		},
	} {
		bad, err := pluginpb.FromComponent(list[0])
		if err != nil {
			t.Fatal(err)
		}
		change(bad)
		if _, err := pluginpb.ToComponent(bad); err == nil {
			t.Errorf("it is accepted: %v", bad)
		}
	}
}
