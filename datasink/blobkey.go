package datasink

import (
	"encoding/base64"
	"fmt"
	"io/fs"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/cleanroom-go/sdk/internal/redact"
)

// customerKey is what mode CPK sends and expects back; the zero value is that
// of mode SSE.
type customerKey struct {
	key    *DEK
	digest string // base64 of the key's SHA-256
}

// newCustomerKey copies the key, so that its owner may close it. In other modes
// than CPK the service must never see it.
func newCustomerKey(opts *Options) customerKey {
	if opts.Mode != CPK {
		return customerKey{}
	}
	key := newDEK(opts.DEK.Clone())
	sum := key.Digest()
	return customerKey{key, base64.StdEncoding.EncodeToString(sum[:])}
}

// info is the three headers of a request, made anew for each so that the
// base64 text lives no longer than the request.
func (k customerKey) info() (*blob.CPKInfo, error) {
	if k.key == nil {
		return nil, nil
	}
	key := k.key.Clone()
	if key == nil {
		return nil, fs.ErrClosed
	}
	defer redact.Clear(key)
	return &blob.CPKInfo{
		EncryptionKey:       to.Ptr(base64.StdEncoding.EncodeToString(key)),
		EncryptionKeySHA256: to.Ptr(k.digest),
		EncryptionAlgorithm: to.Ptr(blob.EncryptionAlgorithmTypeAES256),
	}, nil
}

// confirm checks the service's echo. A service that does not know the headers
// ignores them and would keep the bytes under a key of its own.
func (k customerKey) confirm(digest *string, encrypted *bool) error {
	switch {
	case k.key == nil:
		return nil
	case digest == nil || encrypted == nil || !*encrypted:
		return fmt.Errorf("%w: the service did not confirm it", ErrKey)
	case *digest != k.digest:
		return fmt.Errorf("%w: the service confirmed another", ErrKey)
	}
	return nil
}
