package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/push"
)

func pushCommand() command {
	return command{
		name: "push", args: "[PATH] TARGET", minArgs: 1, maxArgs: 2,
		short: "publish a dataset: on the Hub, or in a bucket",
		long: `Brings the dataset in PATH (the current folder by default) to TARGET. PATH is the
folder that a card block names. What is pushed is what its SHA256SUMS lists, and
nothing is if a file is not as listed. TARGET is one of

  hf://datasets/ORG/NAME[@BRANCH]  a dataset repository of the Hugging Face Hub, or
                                   of a server with its protocol (-endpoint, else
                                   HF_ENDPOINT); HF_TOKEN must hold a token that
                                   may write. The repository is made if need be.
                                   All files come with one commit.
  s3://BUCKET/PREFIX               a bucket of S3 or of any store with its protocol
                                   (-endpoint, else AWS_ENDPOINT_URL_S3 or
                                   AWS_ENDPOINT_URL), with AWS_ACCESS_KEY_ID,
                                   AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and
                                   AWS_REGION. SHA256SUMS comes last.

Files that are there with the same digest are not sent, so that a push that was
cut off goes on where it was. Nothing is removed there without -delete.

Exit codes: 0 done, or nothing to do; 1 error; 64 wrong usage; 130 interrupted.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			var o push.Options
			flags.StringVar(&o.Endpoint, "endpoint", "", "the store is at `URL`")
			flags.StringVar(&o.Message, "message", "", "of the Hub's commit: `TEXT`")
			flags.BoolVar(&o.Private, "private", false, "if a repository is made, make a private one")
			flags.BoolVar(&o.Delete, "delete", false, "remove what is there and not in the dataset")
			flags.BoolVar(&o.DryRun, "dry-run", false, "change nothing; show what would be done")
			flags.BoolVar(&o.AllowOffline, "allow-offline-model", false, "push rows that are marked as not for training")
			return func(inv *invocation) int { return inv.push(o) }
		},
	}
}

func (inv *invocation) push(o push.Options) int {
	dir, target := ".", inv.args[0]
	if len(inv.args) == 2 {
		dir, target = inv.args[0], inv.args[1]
	}
	if err := push.CheckTarget(target); err != nil {
		return inv.usageError("%v", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o.Getenv, o.UserAgent = inv.getenv, "autosafe/"+Version
	o.Notify = inv.view.Pushing
	report, err := push.Run(ctx, dir, target, o)
	inv.view.EndProgress()
	var refused *push.RefusedError
	switch {
	case err != nil && ctx.Err() != nil:
		return inv.interrupted("what was sent is kept; push again to go on from there")
	case errors.As(err, &refused):
		inv.view.DatasetProblems("Not pushed", refused.Problems)
		return exitError
	case err != nil && !isDir(dir):
		return inv.fail("Not pushed", unopenable(dir, err))
	case err != nil:
		return inv.fail("Not pushed", err)
	}
	if len(report.LeftOut) > 0 {
		inv.view.Notify("Files are left out", fmt.Sprintf("SHA256SUMS does not name %s", view.Quote(report.LeftOut[0]))+more(len(report.LeftOut)-1))
	}
	inv.view.Pushed(report)
	return exitDone
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}
