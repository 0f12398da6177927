package datasink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/cleanroom-go/sdk/internal/blobhost"
)

// blobBackend is a container of Azure Blob Storage.
type blobBackend struct {
	url    string
	client *container.Client
	key    customerKey
	check  bool // send checksums
}

var _ Backend = (*blobBackend)(nil)

func newBlobBackend(containerURL string, cred azcore.TokenCredential, opts *Options) (*blobBackend, error) {
	u, err := checkContainerURL(containerURL, opts.DangerouslyAllowOtherStorageHosts)
	if err != nil {
		return nil, err
	}
	if cred == nil {
		return nil, fmt.Errorf("no credential for %s", u)
	}
	client, err := container.NewClient(u, cred, &container.ClientOptions{ClientOptions: clientOptions(opts.ClientOptions)})
	if err != nil {
		return nil, err
	}
	return &blobBackend{url: u, client: client, key: newCustomerKey(opts), check: opts.Checksum}, nil
}

// checkContainerURL returns the URL without a trailing slash. An error never
// quotes a query or a user, which may be secrets.
func checkContainerURL(raw string, anyHost bool) (string, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return "", errors.New("the container URL cannot be parsed")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("the container URL has a user, a query or a fragment: give the plain URL and a credential")
	case u.Scheme != "https":
		// The key would travel in the clear, and the Azure SDK would let it.
		return "", fmt.Errorf("the container URL starts with %q, only https is accepted", u.Scheme)
	case u.Host == "":
		return "", errors.New("the container URL has no host")
	case !anyHost && !blobhost.Known(u.Host):
		return "", fmt.Errorf("the host %q of the container URL is not one of blob storage (%s), and would get the token and the key", u.Host, blobhost.Patterns)
	}
	name := strings.Trim(u.Path, "/")
	if name == "" || strings.Contains(name, "/") {
		return "", fmt.Errorf("the path %q of the container URL is not one container", u.Path)
	}
	return "https://" + u.Host + "/" + url.PathEscape(name), nil
}

func (b *blobBackend) String() string { return b.url }

// Close clears the key.
func (b *blobBackend) Close() error {
	if b.key.key != nil {
		b.key.key.Close()
	}
	return nil
}

func (b *blobBackend) CreateContainer(ctx context.Context) (bool, error) {
	_, err := b.client.Create(ctx, nil)
	if bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		return false, nil
	}
	return err == nil, err
}

func (b *blobBackend) Stat(ctx context.Context, name string) (Item, error) {
	key, err := b.key.info()
	if err != nil {
		return Item{}, err
	}
	p, err := b.client.NewBlobClient(name).GetProperties(ctx, &blob.GetPropertiesOptions{CPKInfo: key})
	if err != nil {
		return Item{}, classify(err)
	}
	if err := b.key.confirm(p.EncryptionKeySHA256, p.IsServerEncrypted); err != nil {
		return Item{}, err
	}
	return describeBlob(name, p.ContentLength, p.ETag, p.LastModified, p.ContentType, p.Metadata)
}

// lowerCase undoes what HTTP libraries do to the names of metadata.
func lowerCase(metadata map[string]*string) map[string]string {
	out := make(map[string]string, len(metadata))
	for name, v := range metadata {
		if v != nil {
			out[strings.ToLower(name)] = *v
		}
	}
	return out
}

// ReadStart is one request, but for an empty blob, of which there is no range.
func (b *blobBackend) ReadStart(ctx context.Context, name string, p []byte) (Item, int, error) {
	key, err := b.key.info()
	if err != nil {
		return Item{}, 0, err
	}
	answer, err := b.client.NewBlobClient(name).DownloadStream(ctx, &blob.DownloadStreamOptions{
		Range:   blob.HTTPRange{Count: int64(len(p))},
		CPKInfo: key,
	})
	if bloberror.HasCode(err, bloberror.InvalidRange) || len(p) == 0 {
		if err == nil {
			answer.Body.Close()
		}
		item, err := b.Stat(ctx, name)
		return item, 0, err
	}
	if err != nil {
		return Item{}, 0, classify(err)
	}
	defer answer.Body.Close()
	if err := b.key.confirm(answer.EncryptionKeySHA256, answer.IsServerEncrypted); err != nil {
		return Item{}, 0, err
	}
	size, err := wholeLength(answer.ContentRange)
	if err != nil {
		return Item{}, 0, err
	}
	n := min(int64(len(p)), size)
	if err := checkRange(answer.ContentRange, answer.ContentLength, 0, n); err != nil {
		return Item{}, 0, err
	}
	item, err := describeBlob(name, &size, answer.ETag, answer.LastModified, answer.ContentType, answer.Metadata)
	if err != nil {
		return Item{}, 0, err
	}
	got, err := io.ReadFull(answer.Body, p[:n])
	if err != nil && ctx.Err() == nil {
		// The rest, and the retries, are those of any other range.
		err = b.ReadRange(ctx, name, item.ETag, p[got:n], int64(got))
	}
	return item, int(n), err
}

// wholeLength reads the length of the blob from the head of one range of it.
func wholeLength(contentRange *string) (int64, error) {
	if contentRange != nil {
		if _, after, ok := strings.Cut(*contentRange, "/"); ok {
			if n, err := strconv.ParseInt(after, 10, 64); err == nil && n > 0 {
				return n, nil
			}
		}
	}
	return 0, errors.New("the service did not say the length of the blob")
}

// describeBlob makes an item of the head of an answer.
func describeBlob(name string, size *int64, etag *azcore.ETag, modified *time.Time, contentType *string, metadata map[string]*string) (Item, error) {
	if size == nil || *size < 0 || etag == nil || *etag == "" {
		return Item{}, errors.New("the service did not say length and ETag")
	}
	item := Item{Name: name, Size: *size, ETag: string(*etag), Metadata: lowerCase(metadata)}
	item.Directory = isDirectory(item.Metadata)
	if modified != nil {
		item.Modified = *modified
	}
	if contentType != nil {
		item.ContentType = *contentType
	}
	return item, nil
}

// List asks for one page of up to 5,000 names.
func (b *blobBackend) List(ctx context.Context, prefix, marker string) (Page, error) {
	opts := &container.ListBlobsFlatOptions{Include: container.ListBlobsInclude{Metadata: true}}
	if prefix != "" {
		opts.Prefix = &prefix
	}
	if marker != "" {
		opts.Marker = &marker
	}
	answer, err := b.client.NewListBlobsFlatPager(opts).NextPage(ctx)
	if err != nil {
		return Page{}, classify(err)
	}
	var page Page
	if answer.NextMarker != nil {
		page.Next = *answer.NextMarker
	}
	if answer.Segment == nil {
		return page, nil
	}
	for _, found := range answer.Segment.BlobItems {
		item, err := listed(found)
		if err != nil {
			return Page{}, err
		}
		page.Items = append(page.Items, item)
	}
	return page, nil
}

func listed(found *container.BlobItem) (Item, error) {
	if found == nil || found.Name == nil || found.Properties == nil || found.Properties.ContentLength == nil {
		return Item{}, errors.New("the listing has an entry without name or length")
	}
	p := found.Properties
	item := Item{Name: *found.Name, Size: *p.ContentLength, Metadata: lowerCase(found.Metadata)}
	item.Directory = isDirectory(item.Metadata) || p.ResourceType != nil && *p.ResourceType == "directory"
	if p.ETag != nil {
		// A listing leaves out the quotes that every other answer has.
		item.ETag = `"` + strings.Trim(string(*p.ETag), `"`) + `"`
	}
	if p.LastModified != nil {
		item.Modified = *p.LastModified
	}
	if p.ContentType != nil {
		item.ContentType = *p.ContentType
	}
	return item, nil
}

// checkRange refuses an answer to another question than the one asked.
func checkRange(got *string, length *int64, off, n int64) error {
	want := fmt.Sprintf("bytes %d-%d/", off, off+n-1)
	if got == nil || !strings.HasPrefix(*got, want) {
		return errors.New("the service answered with another range than " + want)
	}
	if length == nil || *length != n {
		return fmt.Errorf("the service answered with another length than %d", n)
	}
	return nil
}

func (b *blobBackend) Remove(ctx context.Context, name, etag string) error {
	opts := &blob.DeleteOptions{}
	if etag != "" {
		tag := azcore.ETag(etag)
		opts.AccessConditions = &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: &tag}}
	}
	_, err := b.client.NewBlobClient(name).Delete(ctx, opts)
	if err = classify(err); errors.Is(err, errPrecondition) {
		return &kinded{ErrConflict, err}
	}
	return err
}

// errPrecondition is a refused condition, whose meaning depends on the call.
var errPrecondition = errors.New("the condition does not hold")

// classify puts the service's refusals under the kinds of this package.
func classify(err error) error {
	var response *azcore.ResponseError
	if !errors.As(err, &response) {
		return err
	}
	if raw := response.RawResponse; raw != nil && raw.Request != nil {
		// The error outlives the request; the key in its headers shall not.
		for name := range raw.Request.Header {
			if strings.EqualFold(name, keyHeader) {
				delete(raw.Request.Header, name)
			}
		}
	}
	switch code := response.ErrorCode; {
	case code == string(bloberror.BlobNotFound):
		return &kinded{fs.ErrNotExist, response}
	case response.StatusCode == http.StatusPreconditionFailed, code == string(bloberror.BlobAlreadyExists):
		return &kinded{errPrecondition, response}
	case strings.HasPrefix(code, "Blob") && strings.Contains(code, "CustomerSpecifiedEncryption"):
		return &kinded{ErrKey, response}
	}
	return response
}
