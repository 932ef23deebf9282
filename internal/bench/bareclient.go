package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
)

// clientArgument starts this program as the bare client: what a program costs
// that asks an endpoint about each row and does nothing else.
const clientArgument = "bare-client"

// question is the request that autosafe makes for a row of judgedRecipe.
func question(text string) ([]byte, error) {
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	return json.Marshal(map[string]any{
		"model":    "judge-1",
		"messages": []message{{"system", "How good is this text?"}, {"user", text}},
		"response_format": json.RawMessage(`{"type":"json_schema","json_schema":{"name":"answer","strict":true,"schema":{"type":"object",` +
			`"properties":{"reason":{"type":"string"},"score":{"type":"integer","minimum":0,"maximum":3}},"required":["reason","score"],"additionalProperties":false}}}`),
	})
}

// bareClient takes an address, a file of rows, and how many calls it makes at
// a time.
func bareClient(args []string) error {
	if len(args) != 3 {
		return errors.New("it takes an address, a file of rows, and a number of calls at a time")
	}
	width, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	f, err := os.Open(args[1])
	if err != nil {
		return err
	}
	defer f.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: width}}
	rows := make(chan []byte)
	failed := make(chan error, width)
	var callers sync.WaitGroup
	for range width {
		callers.Go(func() {
			var err error
			for row := range rows {
				if err == nil {
					err = ask(client, args[0], row)
				}
			}
			failed <- err
		})
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		rows <- bytes.Clone(lines.Bytes())
	}
	close(rows)
	callers.Wait()
	err = lines.Err()
	for range width {
		err = errors.Join(err, <-failed)
	}
	return err
}

func ask(client *http.Client, url string, row []byte) error {
	var in struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(row, &in); err != nil {
		return err
	}
	body, err := question(in.Text)
	if err != nil {
		return err
	}
	resp, err := client.Post(url+"/chat/completions", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var out struct {
		Choices []struct {
			Message struct {
				Content string `json:"content"`
			} `json:"message"`
		} `json:"choices"`
	}
	if err := json.Unmarshal(b, &out); err != nil || resp.StatusCode != http.StatusOK || len(out.Choices) == 0 {
		return fmt.Errorf("%s: %.200s", resp.Status, b)
	}
	return nil
}
