package datasink_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/cleanroom-go/sdk/datasink"
)

type noToken struct{}

func (noToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, errors.New("no token here")
}

func TestNewRefuses(t *testing.T) {
	dek, err := datasink.NewDEK()
	if err != nil {
		t.Fatal(err)
	}
	closed, err := datasink.NewDEK()
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	const good = "https://account.blob.core.windows.net/output"
	cpk := datasink.Options{Mode: datasink.CPK, DEK: dek}
	tests := []struct {
		url  string
		cred azcore.TokenCredential
		opts datasink.Options
		want string // in the error, "" for none
	}{
		{good, noToken{}, cpk, ""},
		{good + "/", noToken{}, cpk, ""},
		{"https://account.blob.core.windows.net/$web", noToken{}, datasink.Options{Mode: datasink.SSE}, ""},
		{good, nil, cpk, "credential"},
		{"http://account.blob.core.windows.net/output", noToken{}, cpk, "https"},
		{"http://account.blob.core.windows.net/output", noToken{}, datasink.Options{Mode: datasink.SSE}, "https"},
		{good + "?sig=SECRET", noToken{}, cpk, "query"},
		{"https://user:SECRET@account.blob.core.windows.net/output", noToken{}, cpk, "user"},
		{"https://account.blob.core.windows.net/", noToken{}, cpk, "container"},
		{good + "/folder", noToken{}, cpk, "container"},
		{"https://%zzSECRET", noToken{}, cpk, "parsed"},
		{good, noToken{}, datasink.Options{Mode: datasink.CPK}, "DEK"},
		{good, noToken{}, datasink.Options{Mode: datasink.CPK, DEK: closed}, "closed"},
		{good, noToken{}, datasink.Options{Mode: datasink.SSE, DEK: dek}, "DEK"},
		{good, noToken{}, datasink.Options{DEK: dek}, "mode"},
		{good, noToken{}, datasink.Options{Mode: "CSE", DEK: dek}, "CSE"},
		{good, noToken{}, datasink.Options{Mode: datasink.SSE, BlockSize: -1}, "block size"},
		{good, noToken{}, datasink.Options{Mode: datasink.SSE, Streams: 1000}, "streams"},
		{"https://account.blob.core.usgovcloudapi.net/output", noToken{}, cpk, ""},
		{"https://account.blob.core.chinacloudapi.cn/output", noToken{}, cpk, ""},
		{"https://evil.example/out", noToken{}, cpk, "token and the key"},
		{"https://evil.example/out", noToken{}, datasink.Options{Mode: datasink.SSE}, "token and the key"},
		{"https://account.blob.core.windows.net.evil.example/out", noToken{}, cpk, "token and the key"},
		{"https://account.blob.core.windows.net:8443/out", noToken{}, cpk, "token and the key"},
		{"https://evil.example/out", noToken{}, datasink.Options{Mode: datasink.SSE, DangerouslyAllowOtherStorageHosts: true}, ""},
		{"http://evil.example/out", noToken{}, datasink.Options{Mode: datasink.SSE, DangerouslyAllowOtherStorageHosts: true}, "https"},
	}
	for _, test := range tests {
		_, err := datasink.New(test.url, test.cred, &test.opts)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.url, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s %s: got %v, want it to say %q", test.url, test.opts.Mode, err, test.want)
		case err != nil && strings.Contains(err.Error(), "SECRET"):
			t.Errorf("the error quotes a secret: %v", err)
		}
	}
	if _, err := datasink.NewWithBackend(datasink.Memory(), &cpk); err == nil {
		t.Error("a backend that holds plain bytes took a key")
	}
	if _, err := datasink.NewWithBackend(nil, nil); err == nil {
		t.Error("no backend was accepted")
	}
}

// Close clears the key itself: the backend has none left to send, even asked
// directly.
func TestCloseForgetsTheKey(t *testing.T) {
	dek, err := datasink.NewDEK()
	if err != nil {
		t.Fatal(err)
	}
	sink, err := datasink.New("https://account.blob.core.windows.net/output", noToken{}, &datasink.Options{Mode: datasink.CPK, DEK: dek})
	if err != nil {
		t.Fatal(err)
	}
	dek.Close()
	if _, err := sink.Backend().Stat(t.Context(), "a"); err == nil || errors.Is(err, fs.ErrClosed) {
		t.Errorf("the sink has no key of its own: %v", err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Backend().Stat(t.Context(), "a"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
