package trainer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// fakeVar has the test's binary play a trainer, in the way that it names.
const fakeVar = "AUTOSAFE_FAKE_TRAINER"

func TestMain(m *testing.M) {
	if how := os.Getenv(fakeVar); how != "" {
		if err := fakeTrainer(how, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// fakeTrainer trains nothing, in the shape in which real trainers do: it reads its
// configuration, logs a loss that falls, writes a checkpoint every second step and,
// at last, a model. It goes on from the checkpoint that it is told. Where "crash"
// is among how, it dies at step 5 unless it has a checkpoint to go on from; where
// "fails" is, it dies at once.
func fakeTrainer(how string, args []string) error {
	if strings.Contains(how, "fails") {
		return fmt.Errorf("CUDA out of memory")
	}
	text, err := os.ReadFile(args[len(args)-1])
	if err != nil {
		return err
	}
	setting := func(name string) string {
		m := regexp.MustCompile(`(?m)^\s*"?` + name + `"?: "?([^",\n]*)"?,?$`).FindStringSubmatch(string(text))
		if m == nil {
			return ""
		}
		return m[1]
	}
	out, from, first := setting("output_dir"), setting("resume_from_checkpoint"), 1
	if from == "null" {
		from = ""
	}
	if from != "" {
		if first, err = strconv.Atoi(from[strings.LastIndex(from, "-")+1:]); err != nil {
			return err
		}
		first++
	}
	const steps = 8
	for step := first; step <= steps; step++ {
		if step == 5 && from == "" && strings.Contains(how, "crash") {
			return fmt.Errorf("segmentation fault")
		}
		if err := logStep(how, out, step, steps); err != nil {
			return err
		}
		if step%2 == 0 {
			if err := put(filepath.Join(out, fmt.Sprintf("checkpoint-%d", step)), "trainer_state.json"); err != nil {
				return err
			}
		}
	}
	if strings.Contains(how, "nothing") {
		return nil
	}
	return put(out, "adapter_config.json")
}

func put(dir, name string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), []byte("{}"), 0o666)
}

func logStep(how, out string, step, steps int) error {
	loss, epoch := 2/float64(step), float64(step)/4
	if strings.Contains(how, "prints") {
		fmt.Printf("  3%%|##  | {'loss': '%.4g', 'grad_norm': '0.3', 'learning_rate': '5e-05', 'epoch': '%.4g'}\n", loss, epoch)
		return nil
	}
	line, err := json.Marshal(map[string]any{"current_steps": step, "total_steps": steps, "loss": loss, "lr": 5e-5, "epoch": epoch, "percentage": 12.5, "elapsed_time": "0:00:01"})
	if err != nil {
		return err
	}
	name := filepath.Join(out, "trainer_log.jsonl")
	if strings.Contains(how, "script") {
		name = "log.jsonl"
	}
	if err := os.MkdirAll(out, 0o777); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		return err
	}
	return f.Close()
}
