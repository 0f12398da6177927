package datasink

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
)

func (b *blobBackend) ReadRange(ctx context.Context, name, etag string, p []byte, off int64) error {
	r := &blobRange{backend: b, ctx: ctx, name: name, etag: etag, off: off, left: int64(len(p))}
	if err := r.ask(); err != nil {
		return err
	}
	defer r.Close()
	_, err := io.ReadFull(r, p)
	return err
}

// blobRange goes on where a broken body ended, a few times. The Azure SDK
// retries requests, not bodies.
type blobRange struct {
	backend    *blobBackend
	ctx        context.Context
	name, etag string
	off, left  int64
	body       io.ReadCloser
	tries      int
}

// maxTries is the number of requests for one range.
const maxTries = 4

// errBody marks an answer whose head was right and whose body ended early.
var errBody = errors.New("the answer broke off")

func (r *blobRange) Read(p []byte) (int, error) {
	for {
		if r.left == 0 {
			return 0, io.EOF
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
		r.off += int64(n)
		r.left -= int64(n)
		if err == nil || r.left == 0 || n > 0 {
			return n, nil // an error comes again with the next read
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if r.ctx.Err() != nil || r.tries == maxTries {
			return 0, &kinded{errBody, err}
		}
		r.body.Close()
		if err := r.ask(); err != nil {
			return 0, err
		}
	}
}

func (r *blobRange) Close() error { return r.body.Close() }

// ask makes the request for what is left.
func (r *blobRange) ask() error {
	r.tries++
	r.body = io.NopCloser(emptyReader{})
	key, err := r.backend.key.info()
	if err != nil {
		return err
	}
	tag := azcore.ETag(r.etag)
	answer, err := r.backend.client.NewBlobClient(r.name).DownloadStream(r.ctx, &blob.DownloadStreamOptions{
		Range:            blob.HTTPRange{Offset: r.off, Count: r.left},
		CPKInfo:          key,
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: &tag}},
	})
	if err != nil {
		err = classify(err)
		if errors.Is(err, errPrecondition) || errors.Is(err, fs.ErrNotExist) {
			return &kinded{ErrChanged, err}
		}
		return err
	}
	err = r.backend.key.confirm(answer.EncryptionKeySHA256, answer.IsServerEncrypted)
	if err == nil {
		err = checkRange(answer.ContentRange, answer.ContentLength, r.off, r.left)
	}
	if err != nil {
		answer.Body.Close()
		return err
	}
	r.body = answer.Body
	return nil
}

type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, io.EOF }
