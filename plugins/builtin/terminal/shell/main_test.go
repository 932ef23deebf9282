package shell

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if Serves(os.Args[1:]) {
		os.Exit(Serve())
	}
	os.Exit(m.Run())
}
