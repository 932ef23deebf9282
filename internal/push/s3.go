package push

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/errgroup"

	"github.com/autosafe/autosafe/internal/publish"
	"github.com/autosafe/autosafe/internal/verify"
)

// bucket is a place in a store that speaks S3's protocol. It has no commits: so
// files go first, then what describes them, and last the list of checksums,
// and whoever finds the new list finds all that it names.
type bucket struct {
	client   *s3.Client
	opts     *Options
	name     string
	prefix   string // "" or ends with a slash
	partSize int64
	secrets  []string
}

// digestNote is an object's metadata: the SHA-256 of its content in hex. Not
// every store keeps checksums of its own, and none has that of a large object.
const digestNote = "sha256"

// defaultPart is how large the parts of large files are.
const defaultPart = 16 << 20

func newS3(rest string, o *Options, r *Report) (*bucket, error) {
	name, prefix, _ := strings.Cut(rest, "/")
	prefix = strings.TrimSuffix(prefix, "/")
	if !bucketName(name) || prefix != "" && (!fs.ValidPath(prefix) || prefix == "." || strings.ContainsAny(prefix, "\\?#")) {
		return nil, fmt.Errorf("%q is no place in a bucket: write s3://BUCKET/PREFIX", "s3://"+rest)
	}
	b := &bucket{opts: o, name: name, partSize: cmp.Or(o.PartSize, defaultPart)}
	if prefix != "" {
		b.prefix = prefix + "/"
	}
	if o.Delete && b.prefix == "" {
		return nil, errors.New("-delete would empty the whole bucket: give a prefix, as in s3://BUCKET/PREFIX")
	}
	creds := aws.Credentials{
		AccessKeyID: o.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: o.Getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken: o.Getenv("AWS_SESSION_TOKEN"), Source: "environment",
	}
	options := s3.Options{
		Region:      cmp.Or(o.Getenv("AWS_REGION"), o.Getenv("AWS_DEFAULT_REGION"), "us-east-1"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil }),
		HTTPClient:  &http.Client{Transport: newTransport(), CheckRedirect: checkRedirect},
		Retryer:     newRetryer(o, r),
		// The checksums are ours: the SDK's own would be read from the stream, and
		// sent in a form that some stores do not read.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if endpoint := cmp.Or(o.Endpoint, o.Getenv("AWS_ENDPOINT_URL_S3"), o.Getenv("AWS_ENDPOINT_URL")); endpoint != "" {
		u, err := url.Parse(endpoint)
		if err != nil || u.User != nil || u.RawQuery != "" {
			return nil, errors.New("the endpoint is no URL such as https://s3.example.com; it takes no user and no password")
		}
		if err := protected(u); err != nil {
			return nil, fmt.Errorf("the endpoint: %w", err)
		}
		options.BaseEndpoint, options.UsePathStyle = aws.String(endpoint), true
	}
	b.client = s3.New(options)
	b.secrets = []string{creds.SecretAccessKey, creds.SessionToken}
	if creds.AccessKeyID == "" || creds.SecretAccessKey == "" {
		return nil, credentialsError{errors.New("there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Of a profile, aws configure export-credentials --format env prints them")}
	}
	return b, nil
}

// bucketName says whether a name could be a bucket's.
func bucketName(s string) bool {
	bad := len(s) < 3 || len(s) > 63 || strings.Trim(s, ".-") != s || strings.Contains(s, "..")
	for _, r := range s {
		bad = bad || !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-')
	}
	return !bad
}

// retryer repeats what may succeed, and counts that.
type retryer struct {
	*retry.Standard
	retried func()
}

// RetryDelay implements aws.Retryer.
func (r *retryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	r.retried()
	return r.Standard.RetryDelay(attempt, err)
}

func newRetryer(o *Options, r *Report) aws.Retryer {
	wait := o.Wait
	return &retryer{retry.NewStandard(func(s *retry.StandardOptions) {
		s.MaxAttempts, s.MaxBackoff = maxTries, maxWait
		s.RateLimiter = ratelimit.None
		s.Retryables = append(s.Retryables, retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{http.StatusTooManyRequests: {}}})
		s.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return min(wait<<min(attempt, 10), maxWait), nil
		})
	}), r.retried}
}

// problem makes an error of one of the SDK, without its many details.
func (b *bucket) problem(what string, err error) error {
	var api smithy.APIError
	var status *smithyhttp.ResponseError
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*localError)):
	case errors.As(err, &api):
		err = fmt.Errorf("the store says %s: %s", api.ErrorCode(), api.ErrorMessage())
		switch api.ErrorCode() {
		case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
			err = fmt.Errorf("%w. The bucket may be in another region: set AWS_REGION", err)
		case "NoSuchBucket":
			err = fmt.Errorf("%w. Buckets are not made here: make %s first", err, b.name)
		}
	case errors.As(err, &status):
		err = fmt.Errorf("the store says %d", status.HTTPStatusCode())
	default:
		var wrapped *url.Error
		for errors.As(err, &wrapped) {
			err = wrapped.Err
		}
	}
	text := err.Error()
	for _, s := range b.secrets {
		if s != "" && strings.Contains(text, s) {
			return fmt.Errorf("%s: %s", what, strings.ReplaceAll(text, s, "(a secret)"))
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}

func notFound(err error) bool {
	var status *smithyhttp.ResponseError
	// A store tells those who may not list that they may not, of what is not there.
	return errors.As(err, &status) && (status.HTTPStatusCode() == http.StatusNotFound || status.HTTPStatusCode() == http.StatusForbidden)
}

func (b *bucket) push(ctx context.Context, files []local, r *Report) error {
	r.URL = "s3://" + b.name + "/" + strings.TrimSuffix(b.prefix, "/")
	for _, stage := range stages(files) {
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(atOnce)
		for _, f := range stage {
			g.Go(func() error { return b.bring(gctx, f, r) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	if b.opts.Delete {
		return b.prune(ctx, files, r)
	}
	return nil
}

// stages orders the files: data, what describes it, and the list of all.
func stages(files []local) [3][]local {
	var s [3][]local
	about := []string{publish.CardName, publish.CroissantName, publish.StatementName, publish.EnvelopeName}
	for _, f := range files {
		switch {
		case f.Path == publish.SumsName:
			s[2] = append(s[2], f)
		case slices.Contains(about, f.Path):
			s[1] = append(s[1], f)
		default:
			s[0] = append(s[0], f)
		}
	}
	return s
}

// bring has a file be there.
func (b *bucket) bring(ctx context.Context, f local, r *Report) error {
	same, err := b.has(ctx, f)
	if err != nil {
		return err
	}
	action := Same
	if !same {
		action = Upload
	}
	r.mu.Lock()
	r.Files = append(r.Files, Change{f.File, action})
	r.mu.Unlock()
	if same || b.opts.DryRun {
		return nil
	}
	b.opts.Notify(f.Path)
	// What another push began is gone on with. If that was of other content, the
	// object says so when it is whole, and is made anew.
	for _, resume := range []bool{true, false} {
		if err := b.send(ctx, f, resume); err != nil {
			return err
		}
		if same, err = b.has(ctx, f); same || err != nil || f.Size <= b.partSize {
			break
		}
	}
	if err == nil && !same {
		return fmt.Errorf("%s was sent, but the store has something else, or keeps no metadata", f.Path)
	}
	return err
}

// key is the name of a file's object.
func (b *bucket) key(f local) *string { return aws.String(b.prefix + f.Path) }

// has says whether the store has a file as it is.
func (b *bucket) has(ctx context.Context, f local) (bool, error) {
	head, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: b.key(f), ChecksumMode: types.ChecksumModeEnabled})
	if notFound(err) {
		return false, nil
	}
	if err != nil {
		return false, b.problem("looking for "+f.Path, err)
	}
	if head.ContentLength == nil || *head.ContentLength != f.Size {
		return false, nil
	}
	// The store's own checksum counts where it has one of the whole object.
	if sum := aws.ToString(head.ChecksumSHA256); sum != "" && head.ChecksumType != types.ChecksumTypeComposite && !strings.Contains(sum, "-") {
		return sum == base64Sum(f.SHA256), nil
	}
	for name, value := range head.Metadata {
		if strings.EqualFold(name, digestNote) {
			return value == f.SHA256, nil
		}
	}
	return false, nil
}

// base64Sum is how S3 writes a digest.
func base64Sum(sum string) string {
	raw, err := hex.DecodeString(sum)
	if err != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// prune removes what is below the prefix and not in the folder.
func (b *bucket) prune(ctx context.Context, files []local, r *Report) error {
	own := map[string]bool{}
	for _, f := range files {
		own[*b.key(f)] = true
	}
	var gone []Change
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &b.prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return b.problem("listing what is there", err)
		}
		for _, o := range page.Contents {
			if key := aws.ToString(o.Key); !own[key] {
				gone = append(gone, Change{verify.File{Path: strings.TrimPrefix(key, b.prefix), Size: aws.ToInt64(o.Size)}, Delete})
			}
		}
	}
	for _, c := range gone {
		if !b.opts.DryRun {
			if _, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: aws.String(b.prefix + c.Path)}); err != nil {
				return b.problem("removing "+c.Path, err)
			}
		}
		r.Files = append(r.Files, c)
	}
	return nil
}

// mediaType is what a file is served as.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".md":
		return "text/markdown; charset=utf-8"
	case ".json", ".dsse":
		return "application/json"
	case ".jsonl":
		return "application/jsonlines"
	case ".parquet":
		return "application/vnd.apache.parquet"
	case ".svg":
		return "image/svg+xml"
	case ".gz":
		return "application/gzip"
	case ".zst":
		return "application/zstd"
	}
	if name == publish.SumsName {
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}
