package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/internal/emulator/blob"
	"github.com/cleanroom-go/sdk/internal/emulator/wire/wiretest"
)

const (
	account  = "consumersa"
	blobHost = account + ".blob.core.windows.net"
	owner    = "owner" // may read and write
	reader   = "reader"
	stranger = "stranger"
)

// fixture is a server behind TLS under its genuine names.
type fixture struct {
	*blob.Server
	network *wiretest.Network
	next    atomic.Int64 // container
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{Server: blob.New(blob.Options{Verify: verify}), network: wiretest.New(t, "*.blob.core.windows.net", "*.z6.web.core.windows.net")}
	f.network.Handle("*.blob.core.windows.net", f.Server)
	f.network.Handle("*.z6.web.core.windows.net", f.Server)
	f.Grant(account, owner, blob.Read, blob.Write)
	f.Grant(account, reader, blob.Read)
	return f
}

// identity is a credential whose token names its owner and the audience;
// TestTokens has real ones.
type identity string

func (i identity) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "canary-token|" + string(i) + "|" + strings.TrimSuffix(o.Scopes[0], "/.default")}, nil
}

func verify(token, audience string) (string, string, error) {
	parts := strings.Split(token, "|")
	if len(parts) != 3 || parts[2] != audience {
		return "", "", errors.New("not a token for " + audience)
	}
	return "tenant", parts[1], nil
}

// options of a client that asks once.
func (f *fixture) options() azcore.ClientOptions {
	return azcore.ClientOptions{Transport: f.network.Client, Retry: policy.RetryOptions{MaxRetries: -1}}
}

func (f *fixture) containerURL() string {
	return fmt.Sprintf("https://%s/container-%d", blobHost, f.next.Add(1))
}

// container makes an empty container and a client of it.
func (f *fixture) container(t testing.TB) *container.Client {
	t.Helper()
	c := f.client(t, f.containerURL(), owner)
	if _, err := c.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return c
}

func (f *fixture) client(t testing.TB, url string, who identity) *container.Client {
	t.Helper()
	c, err := container.NewClient(url, who, &container.ClientOptions{ClientOptions: f.options()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sink makes a sink on an empty container.
func (f *fixture) sink(t testing.TB, opts *datasink.Options) *datasink.Sink {
	t.Helper()
	if opts.Transport == nil {
		opts.ClientOptions = f.options()
	}
	s, err := datasink.New(f.containerURL(), identity(owner), opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateContainer(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func newDEK(t testing.TB) *datasink.DEK {
	t.Helper()
	dek, err := datasink.NewDEK()
	if err != nil {
		t.Fatal(err)
	}
	return dek
}

// cpk is the three headers for a key of 32 equal bytes.
func cpk(b byte) *azblob.CPKInfo {
	key := bytes.Repeat([]byte{b}, 32)
	sum := sha256.Sum256(key)
	return &azblob.CPKInfo{
		EncryptionKey:       to.Ptr(base64.StdEncoding.EncodeToString(key)),
		EncryptionKeySHA256: to.Ptr(base64.StdEncoding.EncodeToString(sum[:])),
		EncryptionAlgorithm: to.Ptr(azblob.EncryptionAlgorithmTypeAES256),
	}
}

// blockName is a block id of four bytes.
func blockName(i int) string { return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%04d", i)) }

// body is a request body that needs no closing.
type body struct{ *bytes.Reader }

func (body) Close() error { return nil }

func bodyOf(data string) body { return body{bytes.NewReader([]byte(data))} }

// do sends a raw request as the owner and returns status, code and body.
func (f *fixture) do(t *testing.T, method, url, data string, header map[string]string) (int, string, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer canary-token|owner|"+blob.Audience)
	r.Header.Set("x-ms-version", "2026-06-06")
	for name, v := range header {
		if v == "" {
			r.Header.Del(name)
			continue
		}
		r.Header.Set(name, v)
	}
	answer, err := f.network.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header.Get("x-ms-error-code"), string(b)
}

// wantCode checks that err is the service's with the status and code.
func wantCode(t *testing.T, what string, err error, status int, code string) {
	t.Helper()
	var response *azcore.ResponseError
	if !errors.As(err, &response) || response.StatusCode != status || response.ErrorCode != code {
		t.Errorf("%s: got %v, want HTTP %d %s", what, err, status, code)
	}
}
