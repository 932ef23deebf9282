package cache

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Loss is a note of records that were lost, made when the damage was healed.
type Loss struct {
	Kind    string // folder of the kind
	Time    time.Time
	Records int64
}

// lossFile, in the folder of a kind, has a line for each loss: when it was
// found, how many records are lost, and a CRC-32C of both. Each starts with
// the end of the line before, so that one that is torn spoils no other.
const lossFile = "losses"

// noteLoss lets a loss be known after it has been healed. It is a courtesy:
// the loss is told as well, so that a note that cannot be made is left out.
func (l *log) noteLoss(n int64) {
	if n == 0 || l.env.readOnly {
		return
	}
	f, err := os.OpenFile(filepath.Join(l.dir, lossFile), os.O_WRONLY|os.O_APPEND|os.O_CREATE, filePerm)
	if err != nil {
		return
	}
	defer f.Close()
	if _, err := f.WriteString("\n" + lossLine(time.Now(), n)); err == nil {
		_ = f.Sync()
	}
}

func lossLine(at time.Time, n int64) string {
	text := fmt.Sprintf("%s %d", at.UTC().Format(time.RFC3339), n)
	return fmt.Sprintf("%s %08x", text, crc32.Checksum([]byte(text), castagnoli()))
}

// losses are the losses that were noted. Bad is the offset of the first line
// that cannot be read; -1 if there is none.
func (l *log) losses() (noted []Loss, size, bad int64, err error) {
	path := filepath.Join(l.dir, lossFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, -1, nil
	}
	if err != nil {
		return nil, 0, -1, readError(path, err)
	}
	at := int64(0)
	bad = -1
	for i, line := range strings.Split(string(b), "\n") {
		when, count, _ := strings.Cut(line, " ")
		count, _, _ = strings.Cut(count, " ")
		t, terr := time.Parse(time.RFC3339, when)
		n, nerr := strconv.ParseInt(count, 10, 64)
		switch whole := terr == nil && nerr == nil && lossLine(t, n) == line; {
		case whole:
			noted = append(noted, Loss{Kind: l.kind.String(), Time: t, Records: n})
		case bad < 0 && (i > 0 || line != ""):
			bad = at
		}
		at += int64(len(line)) + 1
	}
	return noted, int64(len(b)), bad, nil
}

// verifyLosses reports what was lost earlier, and damage in the notes of it.
func (l *log) verifyLosses(r *Report) error {
	noted, size, bad, err := l.losses()
	r.Earlier = append(r.Earlier, noted...)
	r.Bytes += size
	if bad >= 0 {
		r.Damage = append(r.Damage, Damage{
			Kind: l.kind.String(), File: filepath.Join(l.dir, lossFile), Offset: bad, Length: size - bad,
			What: "a note of an earlier loss cannot be read", Means: "nothing is lost by that", Harmless: true,
		})
	}
	return err
}

// repairLosses leaves out notes that cannot be read.
func (l *log) repairLosses() error {
	noted, _, bad, err := l.losses()
	if err != nil || bad < 0 {
		return err
	}
	var b strings.Builder
	for _, loss := range noted {
		b.WriteString("\n" + lossLine(loss.Time, loss.Records))
	}
	path := filepath.Join(l.dir, lossFile)
	return writeError(path, writeFileAtomic(path, []byte(b.String())))
}
