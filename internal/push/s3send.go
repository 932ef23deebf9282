package push

import (
	"context"
	"crypto/md5" // S3's ETags of parts, where a store has no better
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	"golang.org/x/sync/errgroup"
)

// send sends a file, in parts if it is large.
func (b *bucket) send(ctx context.Context, f local, resume bool) error {
	file, _, err := f.folder.OpenFile(f.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	defer file.Close()
	if f.Size > b.partSize {
		return b.sendParts(ctx, f, file, resume)
	}
	_, err = b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.name, Key: b.key(f), Body: &section{io.NewSectionReader(file, 0, f.Size)}, ContentLength: &f.Size,
		ChecksumSHA256: aws.String(base64Sum(f.SHA256)), ContentType: aws.String(mediaType(f.Path)),
		Metadata: map[string]string{digestNote: f.SHA256},
	}, expect(f.SHA256))
	return b.problem("sending "+f.Path, err)
}

// section is a part of a file; its errors come again.
type section struct{ *io.SectionReader }

// Read implements io.Reader.
func (s *section) Read(p []byte) (int, error) {
	n, err := s.SectionReader.Read(p)
	if err != nil && err != io.EOF {
		err = &localError{err}
	}
	return n, err
}

// expect signs a request for a body with this digest, and no other: whoever
// checks signatures holds the bytes that arrive to it, also where checksums are
// not known.
func expect(sum string) func(*s3.Options) {
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("autosafe:digest",
				func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
					return next.HandleInitialize(v4.SetPayloadHash(ctx, sum), in)
				}), middleware.Before)
		})
	}
}

// part is a part of a file, as it is and as the store has it.
type part struct {
	number   int32
	at, size int64
}

// parts divides a file.
func (b *bucket) parts(f local) []part {
	size := b.partSize
	for (f.Size+size-1)/size > maxParts {
		size *= 2
	}
	var list []part
	for at := int64(0); at < f.Size; at += size {
		list = append(list, part{int32(len(list) + 1), at, min(size, f.Size-at)}) // #nosec G115 -- at most maxParts
	}
	return list
}

// sendParts sends a file in parts, going on with what another push began.
func (b *bucket) sendParts(ctx context.Context, f local, file io.ReaderAt, resume bool) error {
	what := "sending " + f.Path
	parts := b.parts(f)
	var id string
	var have map[int32]types.CompletedPart
	var err error
	if resume {
		id, have, err = b.begun(ctx, f, file, parts)
		if err != nil {
			return b.problem(what, err)
		}
	}
	if id == "" {
		made, err := b.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: &b.name, Key: b.key(f), ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
			ContentType: aws.String(mediaType(f.Path)), Metadata: map[string]string{digestNote: f.SHA256},
		})
		if err != nil {
			return b.problem(what, err)
		}
		id = aws.ToString(made.UploadId)
	}
	done := make([]types.CompletedPart, len(parts))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, p := range parts {
		if got, ok := have[p.number]; ok {
			done[i] = got
			continue
		}
		g.Go(func() (err error) {
			done[i], err = b.sendPart(gctx, f, file, id, p)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return b.problem(what, err) // what was sent stays, for the next push
	}
	_, err = b.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &b.name, Key: b.key(f), UploadId: &id, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	})
	return b.problem(what, err)
}

func (b *bucket) sendPart(ctx context.Context, f local, file io.ReaderAt, id string, p part) (types.CompletedPart, error) {
	sums, err := p.sums(file)
	if err != nil {
		return types.CompletedPart{}, err
	}
	out, err := b.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &b.name, Key: b.key(f), UploadId: &id, PartNumber: &p.number,
		Body: &section{io.NewSectionReader(file, p.at, p.size)}, ContentLength: &p.size,
		ChecksumSHA256: aws.String(base64Sum(sums.sha256)),
	}, expect(sums.sha256))
	if err != nil {
		return types.CompletedPart{}, err
	}
	return types.CompletedPart{PartNumber: &p.number, ETag: out.ETag, ChecksumSHA256: out.ChecksumSHA256}, nil
}

// partSums are the digests by which stores know parts.
type partSums struct{ sha256, md5 string }

func (p part) sums(file io.ReaderAt) (partSums, error) {
	strong, weak := sha256.New(), md5.New() // #nosec G401
	if _, err := io.Copy(io.MultiWriter(strong, weak), io.NewSectionReader(file, p.at, p.size)); err != nil {
		return partSums{}, &localError{err}
	}
	return partSums{hex.EncodeToString(strong.Sum(nil)), hex.EncodeToString(weak.Sum(nil))}, nil
}

// begun finds an upload of the file that was not ended, and the parts of it
// that are there. One with other content is given up.
func (b *bucket) begun(ctx context.Context, f local, file io.ReaderAt, parts []part) (string, map[int32]types.CompletedPart, error) {
	id := b.lastUpload(ctx, f)
	if id == "" {
		return "", nil, nil
	}
	have := map[int32]types.CompletedPart{}
	pages := s3.NewListPartsPaginator(b.client, &s3.ListPartsInput{Bucket: &b.name, Key: b.key(f), UploadId: &id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", nil, ctx.Err() // begin anew
		}
		for _, got := range page.Parts {
			same, err := matches(file, parts, got)
			if err != nil {
				return "", nil, err
			}
			if !same {
				_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.name, Key: b.key(f), UploadId: &id})
				return "", nil, errors.Join(ctx.Err(), err)
			}
			have[*got.PartNumber] = types.CompletedPart{PartNumber: got.PartNumber, ETag: got.ETag, ChecksumSHA256: got.ChecksumSHA256}
		}
	}
	return id, have, nil
}

// lastUpload is the id of the newest upload of a file that was not ended; ""
// if there is none, or the store does not say.
func (b *bucket) lastUpload(ctx context.Context, f local) string {
	pages := s3.NewListMultipartUploadsPaginator(b.client, &s3.ListMultipartUploadsInput{Bucket: &b.name, Prefix: b.key(f)})
	var last types.MultipartUpload
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return ""
		}
		for _, u := range page.Uploads {
			if aws.ToString(u.Key) == *b.key(f) && (last.UploadId == nil || aws.ToTime(u.Initiated).After(aws.ToTime(last.Initiated))) {
				last = u
			}
		}
	}
	return aws.ToString(last.UploadId)
}

// matches says whether a part that the store has is the file's.
func matches(file io.ReaderAt, parts []part, got types.Part) (bool, error) {
	n := aws.ToInt32(got.PartNumber)
	if n < 1 || int(n) > len(parts) || aws.ToInt64(got.Size) != parts[n-1].size {
		return false, nil
	}
	sums, err := parts[n-1].sums(file)
	if err != nil {
		return false, err
	}
	if sum := aws.ToString(got.ChecksumSHA256); sum != "" {
		return sum == base64Sum(sums.sha256), nil
	}
	return strings.Trim(aws.ToString(got.ETag), `"`) == sums.md5, nil
}
