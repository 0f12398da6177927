package datasink

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/cleanroom-go/sdk/datasink/internal/crc64"
)

// writeIDName is the metadata that tells a commit from all others.
const writeIDName = "cleanroom_write_id"

// blobUpload is a set of staged blocks under ids that nobody else uses: blocks
// of a crashed run stay invisible, and expire after a week.
type blobUpload struct {
	backend *blobBackend
	name    string
	client  *blockblob.Client
	opts    UploadOptions
	writeID string
}

func (b *blobBackend) Begin(_ context.Context, name string, opts UploadOptions) (Upload, error) {
	id, err := random()
	if err != nil {
		return nil, err
	}
	return &blobUpload{backend: b, name: name, client: b.client.NewBlockBlobClient(name), opts: opts, writeID: id}, nil
}

// blockID has one length for all blocks, which the service insists on: 32
// characters of the write and a big-endian index.
func (u *blobUpload) blockID(index int) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32([]byte(u.writeID), uint32(index)))
}

func (u *blobUpload) Stage(ctx context.Context, b Block) error {
	return u.stage(ctx, b.Index, bytes.NewReader(b.Data), u.backend.checksum(b.Data))
}

// late is not possible where a checksum goes before the bytes.
func (u *blobUpload) late() bool { return !u.backend.check }

func (u *blobUpload) stageBody(ctx context.Context, index int, body io.ReadSeeker) error {
	return u.stage(ctx, index, body, nil)
}

func (u *blobUpload) stage(ctx context.Context, index int, r io.ReadSeeker, check blob.TransferValidationType) error {
	key, err := u.backend.key.info()
	if err != nil {
		return err
	}
	body := &lent{r: r}
	defer body.takeBack()
	answer, err := u.client.StageBlock(ctx, u.blockID(index), body, &blockblob.StageBlockOptions{
		CPKInfo:                 key,
		TransactionalValidation: check,
	})
	if err != nil {
		return classify(err)
	}
	return u.backend.key.confirm(answer.EncryptionKeySHA256, answer.IsServerEncrypted)
}

// checksum is what the service checks a body against, or nil.
func (b *blobBackend) checksum(data []byte) blob.TransferValidationType {
	if !b.check {
		return nil
	}
	return blob.TransferValidationTypeCRC64(crc64.Checksum(data))
}

func (u *blobUpload) Put(ctx context.Context, data []byte) (Item, error) {
	key, err := u.backend.key.info()
	if err != nil {
		return Item{}, err
	}
	body := &lent{r: bytes.NewReader(data)}
	defer body.takeBack()
	answer, err := u.client.Upload(ctx, body, &blockblob.UploadOptions{
		CPKInfo:                 key,
		TransactionalValidation: u.backend.checksum(data),
		AccessConditions:        u.conditions(),
		Metadata:                u.metadata(),
		HTTPHeaders:             u.headers(),
	})
	return u.finish(ctx, int64(len(data)), committed{answer.ETag, answer.LastModified, answer.EncryptionKeySHA256, answer.IsServerEncrypted}, err)
}

func (u *blobUpload) Commit(ctx context.Context, count int) (Item, error) {
	key, err := u.backend.key.info()
	if err != nil {
		return Item{}, err
	}
	ids := make([]string, count)
	for i := range ids {
		ids[i] = u.blockID(i)
	}
	answer, err := u.client.CommitBlockList(ctx, ids, &blockblob.CommitBlockListOptions{
		CPKInfo:          key,
		AccessConditions: u.conditions(),
		Metadata:         u.metadata(),
		HTTPHeaders:      u.headers(),
	})
	return u.finish(ctx, -1, committed{answer.ETag, answer.LastModified, answer.EncryptionKeySHA256, answer.IsServerEncrypted}, err)
}

// Abort needs no request: what was staged is invisible, and the service drops
// it with the next commit of the blob or after a week.
func (u *blobUpload) Abort() error { return nil }

// committed is what both kinds of commit answer.
type committed struct {
	etag      *azcore.ETag
	modified  *time.Time
	keyDigest *string
	encrypted *bool
}

// finish turns the answer of a commit, or its absence, into the truth.
func (u *blobUpload) finish(ctx context.Context, size int64, c committed, err error) (Item, error) {
	if err != nil {
		return u.settle(ctx, err)
	}
	if c.etag == nil || c.modified == nil {
		return Item{}, errors.New("the service did not say the ETag of what it committed")
	}
	item := Item{Name: u.name, Size: size, ETag: string(*c.etag), Modified: *c.modified}
	if err := u.backend.key.confirm(c.keyDigest, c.encrypted); err != nil {
		// The bytes may now lie there under the account's own key.
		if removeErr := u.backend.Remove(ctx, u.name, item.ETag); removeErr != nil {
			return Item{}, fmt.Errorf("%w; and removing what was written failed: %w", err, removeErr)
		}
		return Item{}, err
	}
	return item, nil
}

// settle looks whether a commit that ended in an error took effect all the
// same: its answer may have been lost, and a retry of the Azure SDK is then
// refused because the blob is not the old one any more. The question is asked
// even if the context has ended in between.
func (u *blobUpload) settle(ctx context.Context, err error) (Item, error) {
	var response *azcore.ResponseError
	answered := errors.As(err, &response) && response.StatusCode < 500 && response.StatusCode != http.StatusRequestTimeout
	kind := classify(err)
	if answered && !errors.Is(kind, errPrecondition) {
		return Item{}, kind
	}
	ask, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	item, statErr := u.backend.Stat(ask, u.name)
	switch {
	case statErr == nil && item.Metadata[writeIDName] == u.writeID:
		return item, nil
	case answered:
		return Item{}, &kinded{ErrConflict, response}
	case statErr != nil && !errors.Is(statErr, fs.ErrNotExist):
		return Item{}, &kinded{ErrUncertain, err}
	}
	return Item{}, kind
}

func (u *blobUpload) conditions() *blob.AccessConditions {
	m := &blob.ModifiedAccessConditions{}
	if u.opts.IfMatch == "" {
		m.IfNoneMatch = to.Ptr(azcore.ETagAny)
	} else {
		m.IfMatch = to.Ptr(azcore.ETag(u.opts.IfMatch))
	}
	return &blob.AccessConditions{ModifiedAccessConditions: m}
}

func (u *blobUpload) metadata() map[string]*string {
	m := map[string]*string{writeIDName: &u.writeID}
	for name, v := range maps.All(u.opts.Metadata) {
		m[name] = &v
	}
	return m
}

func (u *blobUpload) headers() *blob.HTTPHeaders {
	if u.opts.ContentType == "" {
		return nil
	}
	return &blob.HTTPHeaders{BlobContentType: &u.opts.ContentType}
}

// lent is a body over a buffer that its owner wants back. The HTTP transport
// may go on reading a body after the answer has come; once takeBack has
// returned it cannot.
type lent struct {
	mu sync.Mutex
	r  io.ReadSeeker // nil after takeBack
}

var errTakenBack = errors.New("datasink: the request is over")

func (l *lent) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.r == nil {
		return 0, errTakenBack
	}
	return l.r.Read(p)
}

func (l *lent) Seek(offset int64, whence int) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.r == nil {
		return 0, errTakenBack
	}
	return l.r.Seek(offset, whence)
}

func (l *lent) Close() error { return nil }

func (l *lent) takeBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.r = nil
}

var _ io.ReadSeekCloser = (*lent)(nil)
