package blob_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

const (
	usesKey  = "BlobUsesCustomerSpecifiedEncryption"
	otherKey = "BlobCustomerSpecifiedEncryptionMismatch"
	noKey    = "BlobDoesNotUseCustomerSpecifiedEncryption"
)

// TestCustomerKey tries every request that touches content, metadata or
// properties with no key, another key and the right one, on a blob under a
// key and on one without.
func TestCustomerKey(t *testing.T) {
	f := newFixture(t)
	c := f.container(t)
	ctx := t.Context()
	operations := map[string]func(b *blockblob.Client, key *azblob.CPKInfo) (*string, error){
		"Get": func(b *blockblob.Client, key *azblob.CPKInfo) (*string, error) {
			r, err := b.BlobClient().DownloadStream(ctx, &azblob.DownloadStreamOptions{CPKInfo: key})
			if err != nil {
				return nil, err
			}
			defer r.Body.Close()
			_, err = io.Copy(io.Discard, r.Body)
			return r.EncryptionKeySHA256, err
		},
		"Head": func(b *blockblob.Client, key *azblob.CPKInfo) (*string, error) {
			r, err := b.GetProperties(ctx, &azblob.GetPropertiesOptions{CPKInfo: key})
			return r.EncryptionKeySHA256, err
		},
		"SetMetadata": func(b *blockblob.Client, key *azblob.CPKInfo) (*string, error) {
			r, err := b.SetMetadata(ctx, map[string]*string{"a": to.Ptr("b")}, &azblob.SetMetadataOptions{CPKInfo: key})
			return r.EncryptionKeySHA256, err
		},
		"Commit": func(b *blockblob.Client, key *azblob.CPKInfo) (*string, error) {
			r, err := b.CommitBlockList(ctx, []string{blockName(1)}, &blockblob.CommitBlockListOptions{CPKInfo: key})
			return r.EncryptionKeySHA256, err
		},
	}
	keys := map[string]*azblob.CPKInfo{"none": nil, "right": cpk(1), "other": cpk(2)}
	codes := map[string]map[string]string{
		"under-key": {"none": usesKey, "other": otherKey, "right": ""},
		"plain":     {"none": "", "other": noKey, "right": noKey},
	}
	for name, want := range codes {
		var own *azblob.CPKInfo
		if name == "under-key" {
			own = keys["right"]
		}
		b := c.NewBlockBlobClient(name)
		for what, operation := range operations {
			if _, err := b.Upload(ctx, bodyOf("old"), &blockblob.UploadOptions{CPKInfo: own}); err != nil {
				t.Fatal(err)
			}
			if _, err := b.StageBlock(ctx, blockName(1), bodyOf("new"), &blockblob.StageBlockOptions{CPKInfo: own}); err != nil {
				t.Fatal(err)
			}
			for _, which := range []string{"none", "other", "right"} {
				if name == "plain" && which == "none" {
					continue // after the refusals, since a commit may be done once
				}
				checkKeyAnswer(t, name+" "+what+" "+which, keys[which], want[which], b, operation)
			}
			if name == "plain" {
				checkKeyAnswer(t, name+" "+what+" none", nil, "", b, operation)
			}
		}
		if _, err := b.Delete(ctx, nil); err != nil {
			t.Errorf("%s: delete without a key: %v", name, err)
		}
	}
}

func checkKeyAnswer(t *testing.T, what string, key *azblob.CPKInfo, code string, b *blockblob.Client, operation func(*blockblob.Client, *azblob.CPKInfo) (*string, error)) {
	t.Helper()
	echo, err := operation(b, key)
	if code != "" {
		wantCode(t, what, err, http.StatusConflict, code)
		return
	}
	switch {
	case err != nil:
		t.Errorf("%s: %v", what, err)
	case key == nil && echo != nil:
		t.Errorf("%s: echo %s without a key", what, *echo)
	case key != nil && (echo == nil || *echo != *key.EncryptionKeySHA256):
		t.Errorf("%s: the key is not confirmed", what)
	}
}

// TestKeyHeaders sends the three headers incomplete or not fitting together.
func TestKeyHeaders(t *testing.T) {
	f := newFixture(t)
	url := f.container(t).URL() + "/a"
	good := cpk(1)
	base := map[string]string{"x-ms-blob-type": "BlockBlob", "x-ms-encryption-key": *good.EncryptionKey, "x-ms-encryption-key-sha256": *good.EncryptionKeySHA256, "x-ms-encryption-algorithm": "AES256"}
	tests := []struct{ header, value, code string }{
		{"x-ms-encryption-key", "", "MissingRequiredHeader"},
		{"x-ms-encryption-key-sha256", "", "MissingRequiredHeader"},
		{"x-ms-encryption-algorithm", "", "MissingRequiredHeader"},
		{"x-ms-encryption-algorithm", "AES128", "InvalidHeaderValue"},
		{"x-ms-encryption-key", "AAAA", "InvalidHeaderValue"},
		{"x-ms-encryption-key", "not base64", "InvalidHeaderValue"},
		{"x-ms-encryption-key", *cpk(2).EncryptionKey, "InvalidHeaderValue"},
		{"x-ms-encryption-key-sha256", *cpk(2).EncryptionKeySHA256, "InvalidHeaderValue"},
	}
	for _, test := range tests {
		header := map[string]string{test.header: test.value}
		for name, v := range base {
			if name != test.header {
				header[name] = v
			}
		}
		if status, code, _ := f.do(t, http.MethodPut, url, "x", header); status != http.StatusBadRequest || code != test.code {
			t.Errorf("%s = %q: got %d %s, want 400 %s", test.header, test.value, status, code, test.code)
		}
	}
	if status, code, _ := f.do(t, http.MethodPut, url, "x", base); status != http.StatusCreated {
		t.Errorf("the good headers: %d %s", status, code)
	}
	// The same request without TLS.
	r := httptest.NewRequest(http.MethodPut, "http://"+blobHost+url[len("https://"+blobHost):], bodyOf("x"))
	for name, v := range base {
		r.Header.Set(name, v)
	}
	r.Header.Set("Authorization", "Bearer canary-token|owner|https://storage.azure.com")
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest {
		t.Errorf("a key without TLS: %d", w.Code)
	}
}

// TestListingHidesMetadata: the service cannot read metadata under a
// customer's key.
func TestListingHidesMetadata(t *testing.T) {
	f := newFixture(t)
	c := f.container(t)
	metadata := map[string]*string{"Note": to.Ptr("x")}
	for name, key := range map[string]*azblob.CPKInfo{"plain": nil, "under-key": cpk(1)} {
		if _, err := c.NewBlockBlobClient(name).Upload(t.Context(), bodyOf("x"), &blockblob.UploadOptions{CPKInfo: key, Metadata: metadata}); err != nil {
			t.Fatal(err)
		}
	}
	page, err := c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Include: container.ListBlobsInclude{Metadata: true}}).NextPage(t.Context())
	if err != nil || len(page.Segment.BlobItems) != 2 {
		t.Fatal(err)
	}
	plain, under := page.Segment.BlobItems[0], page.Segment.BlobItems[1]
	if len(plain.Metadata) != 1 || plain.Properties.CustomerProvidedKeySHA256 != nil {
		t.Errorf("plain: %v", plain.Metadata)
	}
	if len(under.Metadata) != 0 || under.Properties.CustomerProvidedKeySHA256 == nil || *under.Properties.CustomerProvidedKeySHA256 != *cpk(1).EncryptionKeySHA256 {
		t.Errorf("under a key: %v", under.Metadata)
	}
}
